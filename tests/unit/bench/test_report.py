import json

import pytest

from bench import report
from bench.targets import TARGETS, interval_for


def streams(system, setting, rate, users=200_000, work="common", **more):
    line = {"bench": "streams", "system": system, "setting": setting, "work": work, "users": users, "round": 1}
    return line | {"distribution": "uniform", "events_per_s": rate, "correct": True} | more


def changelog(interval, written, work="full"):
    return {
        "bench": "changelog", "work": work, "interval_s": interval, "users": 1_000_000, "correct": True, "round": 1,
        "records_per_event": written,
    }  # fmt: skip


LATENCY = {"bench": "latency", "offered_per_s": 10_000, "p99_ms": 60.0, "fell_behind": False, "round": 1}


def verdict(lines, words):
    (row,) = (report.target_row(each, lines) for each in TARGETS if words in each.what)
    return row["figure"], row["verdict"]


def test_what_was_not_measured_is_said_to_be_so():
    rows = [report.target_row(each, []) for each in TARGETS]
    assert {each["verdict"] for each in rows} == {"not measured"}
    assert "Nothing was measured yet" in report.render([])


def test_throughput_is_compared_with_the_best_setting_of_the_peer():
    lines = [streams("bannerstream", "memory", rate) for rate in (300_000, 900_000, 290_000)]
    lines += [streams("kafka-streams", "memory-1t", 100_000), streams("kafka-streams", "rocksdb-2t", 200_000)]
    assert verdict(lines, "throughput, 200,000 users, against Kafka") == ("1.50×", "**missed by 25%**")
    lines += [streams("bannerstream", "memory", 900_000)] * 2
    assert verdict(lines, "throughput, 200,000 users, against Kafka") == ("4.50×", "met")


def test_a_wrong_result_counts_in_no_figure():
    lines = [streams("bannerstream", "memory", 800_000), streams("quix", "rocksdb", 10_000, correct=False)]
    assert verdict(lines, "Quix")[1] == "not measured"
    assert "10,000" not in report.table(report.TABLES["streams"], lines)
    assert "1 runs ended with a wrong result" in report.render([*lines, {"bench": "machine"} | MACHINE])


def test_a_load_that_fell_behind_meets_no_target():
    fast = LATENCY | {"p99_ms": 5.0, "fell_behind": True}
    assert verdict([fast], "10,000 events a second") == ("", "not measured")
    assert verdict([fast, LATENCY], "10,000 events a second") == ("60 ms", "**missed by 20%**")


def test_recovery_is_told_beside_the_group_join():
    line = {"bench": "recovery", "system": "bannerstream", "users": 1_000_000, "first_event_s": 7.5, "join_s": 3.0}
    assert verdict([line], "after a kill") == ("4.50 s", "met")


@pytest.mark.parametrize(("bad", "expected"), [(96_000, ("4 %", "met")), (90_000, ("10 %", "**missed by 100%**"))])
def test_poison_costs_what_it_slows(bad, expected):
    line = {"bench": "poison", "users": 200_000, "correct": True, "round": 1}
    lines = [line | {"poison": 0.0, "events_per_s": 100_000}, line | {"poison": 0.01, "events_per_s": bad}]
    figure, said = verdict(lines, "poison")
    assert (f"{float(figure.split()[0]):.0f} %", said) == expected


def test_the_interval_for_a_share_lies_between_those_that_were_measured():
    lines = [changelog(1.0, 0.4), changelog(4.0, 0.1), changelog(16.0, 0.05)]
    assert interval_for(lines, 0.1, "full") == pytest.approx(4.0)
    assert interval_for(lines, 0.2, "full") == pytest.approx(2.0)
    assert interval_for(lines, 0.5, "full") == 1.0
    assert interval_for(lines, 0.01, "full") is None
    assert interval_for(lines, 0.1, "common") is None


def test_a_cell_holds_the_median_and_the_range():
    assert report.spread([3.0, 1.0, 2.0]) == "2 (1–3)"
    assert report.spread([1234567.0]) == "1,234,567"
    assert report.spread([0.123, 0.123]) == "0.12"
    assert report.spread([]) == ""


MACHINE = {
    "cpu": "a processor", "cores": 2, "memory_gb": 23.5, "kernel": "6", "python": "3.11", "java": "17", "kafka": "4.3",
    "kafka-streams": "4.3", "quix": "3", "faust": "0.15", "confluent": "2", "commit": "abc",
    "command": "python bench/__main__.py core --rounds 1",
}  # fmt: skip


def test_the_page_is_written_from_the_files_of_a_folder(tmp_path):
    results, page = tmp_path / "results", tmp_path / "docs" / "performance.md"
    results.mkdir()
    lines = [{"bench": "machine"} | MACHINE, changelog(1.0, 0.3), changelog(5.0, 0.05)]
    (results / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    (results / "notes.md").write_text("It is slow because of the weather.\n")
    report.main(["--results", str(results), "--page", str(page)])
    text = page.read_text()
    assert "because of the weather" in text
    assert "(images/performance-changelog.svg)" in text
    assert (page.parent / "images" / "performance-changelog.svg").is_file()
    assert "| full | 5 | 0.05 | 1 |" in text
    assert "at a commit interval of about 2.7 s" in text
    assert "a processor, 2 cores" in text
    assert "    python -m bench core --rounds 1\n" in text


def test_a_quick_look_meets_no_target():
    quick = [{"bench": "memory", "state": "full", "store": "memory", "users": 20_000, "bytes_per_user": 200.0}]
    quick += [{"bench": "poison", "users": 1_000, "poison": share, "events_per_s": 1.0} for share in (0.0, 0.01)]
    quick += [changelog(1.0, 0.01) | {"users": 1_000}]
    for words in ("memory at rest", "poison", "changelog records"):
        assert verdict(quick, words)[1] == "not measured"
