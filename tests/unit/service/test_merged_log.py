import io
import json

from bannerstream.service.merged_log import MergedLog


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_line_has_its_process_in_front() -> None:
    stream = io.StringIO()
    log = MergedLog(stream)
    log.write("streams", "folding")
    log.write("generator-paints", "ready")
    log.write("streams", "stopped")
    assert stream.getvalue().splitlines() == [
        "streams    | folding",
        "generator-paints | ready",
        "streams          | stopped",
    ]


def test_names_that_are_known_before_are_aligned_from_the_first_line_on() -> None:
    stream = io.StringIO()
    log = MergedLog(stream)
    log.align(["streams", "generator-paints"])
    log.write("streams", "folding")
    assert stream.getvalue() == "streams          | folding\n"


def test_names_are_coloured_on_a_terminal_only_and_each_has_its_own() -> None:
    stream = Terminal()
    log = MergedLog(stream)
    for name in ("streams", "generator", "streams"):
        log.write(name, "ready")
    first, second, third = stream.getvalue().splitlines()
    assert first == third
    assert first.startswith("\x1b[")
    assert first.split("m", 1)[0] != second.split("m", 1)[0]
    assert first.endswith("|\x1b[0m ready")
    json_lines = Terminal()
    MergedLog(json_lines, "json").write("streams", "ready")
    assert "\x1b" not in json_lines.getvalue()


def test_json_lines_pass_with_the_worker_and_other_lines_become_json() -> None:
    stream = io.StringIO()
    log = MergedLog(stream, "json")
    log.write("streams", '{"event": "folding", "level": "info"}')
    log.write("streams", "Traceback (most recent call last):")
    log.write("streams", "[1, 2]")
    log.write("streams", '{"event": "folding", "worker": "streams-1"}')
    log.note("streams: ready after 0.1 s")
    passed, traceback, array, nested, note = map(json.loads, stream.getvalue().splitlines())
    assert passed == {"event": "folding", "level": "info", "worker": "streams"}
    assert (traceback["event"], traceback["worker"]) == ("Traceback (most recent call last):", "streams")
    assert traceback["timestamp"].endswith("+00:00")
    assert array["event"] == "[1, 2]"
    assert nested["worker"] == "streams/streams-1"
    assert (note["event"], note["worker"]) == ("streams: ready after 0.1 s", "supervisor")
