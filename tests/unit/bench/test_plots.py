import json

from bench import plots


def streams_line(system, rate, *, correct=True, number=1):
    return {
        "bench": "streams", "system": system, "setting": "memory", "work": "common", "users": 1000,
        "distribution": "uniform", "round": number, "events": 1, "events_per_s": rate, "changelog_records": 1,
        "correct": correct,
    }  # fmt: skip


def drawn(tmp_path, lines):
    results, images = tmp_path / "results", tmp_path / "images"
    results.mkdir()
    (results / "one.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    plots.main(["--results", str(results), "--images", str(images)])
    return {each.name: each.read_text() for each in images.iterdir()}


def test_what_is_not_there_is_not_drawn(tmp_path, capsys):
    assert drawn(tmp_path, [{"bench": "machine", "cores": 2}]) == {}
    assert "skipped the plot of latency" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_no_error(tmp_path):
    plots.main(["--results", str(tmp_path / "none"), "--images", str(tmp_path / "images")])
    assert list((tmp_path / "images").iterdir()) == []


def test_throughput_shows_medians_and_leaves_out_what_is_wrong(tmp_path):
    lines = [streams_line("bannerstream", rate * 1000, number=rate) for rate in (100, 900, 300)]
    lines += [streams_line("quix", 50_000, correct=False), streams_line("faust", None, correct=False)]
    page = drawn(tmp_path, lines)["performance-streams.svg"]
    assert " 300<" in page
    assert "bannerstream, memory" in page
    assert "quix" not in page
    assert "faust" not in page


def test_latency_and_recovery_are_drawn_from_their_fields(tmp_path):
    lines = [{"bench": "latency", "offered_per_s": rate, "p50_ms": 3, "p99_ms": 9, "p999_ms": 20} for rate in (10, 100)]
    lines += [
        {"bench": "recovery", "system": system, "users": 200_000, "restore_s": 0.5, "first_event_s": 2.5}
        for system in ("bannerstream", "faust")
    ]
    pages = drawn(tmp_path, lines)
    assert pages.keys() == {"performance-latency.svg", "performance-recovery.svg"}
    assert "99.9 %" in pages["performance-latency.svg"]
    assert "faust, 200,000 users" in pages["performance-recovery.svg"]


def test_the_same_lines_give_the_same_bytes(tmp_path):
    lines = [streams_line("bannerstream", 1000)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert drawn(tmp_path / "a", lines) == drawn(tmp_path / "b", lines)
