import json

import pytest

from bench import plots, report
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


def latency(system, p99_ms, rate=10_000, workers=1):
    return LATENCY | {"system": system, "p99_ms": p99_ms, "offered_per_s": rate, "workers": workers}


def test_latency_is_compared_with_the_floor_of_the_same_rate_and_with_lines_that_have_one():
    words = "against that of the floor"
    assert verdict([LATENCY, latency("bannerstream", 60.0)], words) == ("", "not measured")
    lines = [LATENCY | {"p99_ms": 900.0}, latency("bannerstream", 60.0), latency("floor", 50.0)]
    lines += [latency("floor", 5.0, rate=1_000), latency("bannerstream", 500.0, workers=2)]
    assert verdict(lines, words) == ("1.20×", "met")


def test_throughput_after_a_warm_up_is_not_compared_with_figures_that_had_none():
    lines = [streams("bannerstream", "memory", 900_000), streams("kafka-streams", "memory-1t", 100_000)]
    assert verdict(lines, "throughput, 200,000 users, against Kafka")[0] == "9×"
    lines += [streams("bannerstream", "memory", 400_000, warm=True)]
    lines += [streams("kafka-streams", "memory-1t", 200_000, warm=True)]
    assert verdict(lines, "throughput, 200,000 users, against Kafka")[0] == "2×"


def test_throughput_is_compared_with_the_best_setting_of_the_peer():
    lines = [streams("bannerstream", "memory", rate) for rate in (300_000, 900_000, 290_000)]
    lines += [streams("kafka-streams", "memory-1t", 100_000), streams("kafka-streams", "rocksdb-2t", 200_000)]
    assert verdict(lines, "throughput, 200,000 users, against Kafka") == ("1.50×", "**missed by 50%**")
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
    line = {"bench": "recovery", "system": "bannerstream", "users": 1_000_000, "first_event_s": 5.5, "join_s": 3.0}
    assert verdict([line], "after a kill") == ("2.50 s", "met")


@pytest.mark.parametrize(("bad", "expected"), [(96_000, ("4 %", "met")), (90_000, ("10 %", "**missed by 100%**"))])
def test_poison_costs_what_it_slows(bad, expected):
    line = {"bench": "poison", "users": 200_000, "correct": True, "round": 1}
    lines = [line | {"poison": 0.0, "events_per_s": 100_000}, line | {"poison": 0.01, "events_per_s": bad}]
    figure, outcome = verdict(lines, "poison")
    assert (f"{float(figure.split()[0]):.0f} %", outcome) == expected


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
    for words in ("memory per user at rest", "poison", "changelog records"):
        assert verdict(quick, words)[1] == "not measured"


def painted(system, rate, **more):
    line = {"bench": "generator", "device": "NVIDIA H200", "system": system, "architecture": "sd-turbo"}
    line |= {"decoder": "taesd", "size": "512x512", "painted": "512x512", "batch": 1, "compiled": False}
    return line | {"images_per_s": rate, "latency_ms": 1000 / rate} | more


def on_cpu(system, rate, **more):
    return painted(system, rate, device="cpu, 2 threads", architecture="reduced", **more)


def test_on_a_gpu_the_painter_counts_at_its_best_setting_and_on_that_gpu_only():
    lines = [painted("painter", 100.0), painted("painter", 260.0, batch=16), painted("painter", 200.0, compiled=True)]
    lines += [
        painted("painter", 80.0, decoder="vae"),
        painted("diffusers", 900.0),
        painted("painter", 900.0, size="8x8"),
    ]
    assert verdict(lines, "one step with TAESD") == ("260 images/s", "met")
    assert verdict(lines, "full VAE") == ("80 images/s", "**missed by 11%**")
    assert verdict(lines, "one picture alone") == ("5 ms", "met")
    elsewhere = [each | {"device": "NVIDIA A100"} for each in lines]
    assert verdict(elsewhere, "one step with TAESD") == ("", "not measured")


def test_painter_and_diffusers_are_compared_where_they_paint_alike():
    lines = [on_cpu("painter", 4.0), on_cpu("diffusers", 2.0)]
    lines += [on_cpu("painter", 3.0, batch=2), on_cpu("diffusers", 2.0, batch=2), on_cpu("painter", 1.0, batch=4)]
    wide = {"size": "512x128"}
    lines += [on_cpu("painter", 1.0, painted="384x192", **wide), on_cpu("diffusers", 2.0, painted="512x128", **wide)]
    assert verdict(lines, "plain diffusers") == ("1.50×", "met")
    assert verdict(lines[-3:], "plain diffusers") == ("", "not measured")


@pytest.mark.parametrize(("make", "words"), [(painted, "worker there"), (on_cpu, "CPU: the whole worker")])
def test_a_worker_is_told_as_a_share_of_its_painter(make, words):
    lines = [make("painter-alone", 10.0), make("worker", 8.0, of_painter=0.8), make("worker", 9.5, of_painter=0.95)]
    assert verdict([*lines, make("worker", 9.2, of_painter=0.92)], words) == ("0.92×", "met")


def test_a_studio_banner_and_its_encoding_are_told_by_processor_time():
    line = {"bench": "composing", "banners": 16, "sizes": 4, "wall_ms": 1.0}
    lines = [line | {"stage": "all", "cpu_ms": 300.0}, line | {"stage": "encode", "cpu_ms": 30.0}]
    assert verdict(lines, "banner of the studio") == ("300 ms", "**missed by 20%**")
    assert verdict(lines, "encoding") == ("7.50 ms", "met")
    assert "| encode | 30 | 1 | 1 |" in report.render(lines)


@pytest.mark.parametrize(("option", "outcome"), [(" --quick", "quick look only"), ("", "met")], ids=["quick", "whole"])
def test_what_a_run_says_once_holds_for_all_its_lines(tmp_path, option, outcome):
    context = {"bench": "generator", "device": "cpu, 1 threads", "torch": "2"}
    lines = [on_cpu("painter", 4.0), on_cpu("diffusers", 2.0)]
    lines = [{name: value for name, value in each.items() if name != "device"} for each in lines]
    lines = [{"bench": "machine"} | MACHINE | {"command": f"python -m bench generator{option}"}, context, *lines]
    lines += [{"bench": "machine"} | MACHINE, LATENCY]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    read = plots.read(tmp_path)
    assert verdict(read, "plain diffusers") == ("2×", outcome)
    assert verdict(read, "10,000 events a second")[1] == "**missed by 20%**"
    page = report.render(read)
    assert "| cpu, 1 threads | reduced | taesd | painter | 512x512 | 512x512 | 1 | False | 4 | 250 | 1 |" in page
    assert ("A quick look is" in page) == bool(option)


def test_a_quick_look_is_in_a_table_only_where_nothing_else_is():
    quick = on_cpu("painter", 7.0, quick=True)
    assert "| 7 |" in report.render([quick])
    assert "| 4 |" in report.render([quick, on_cpu("painter", 4.0)])
