import json
import subprocess
import sys

import pytest

from bannerstream.devservers.kafka_apache import ApacheKafka


@pytest.mark.real
@pytest.mark.full  # tests/unit/bench/test_streams.py runs it on fakes
def test_what_bannerstream_leaves_after_a_benchmark_is_right(tmp_path):
    if (reason := ApacheKafka.why_unavailable()) is not None:
        pytest.skip(reason)
    out = tmp_path / "results" / "streams.jsonl"
    command = [
        "bench",
        "streams",
        "--systems",
        "bannerstream",
        "--settings",
        "memory,2-workers",
        "--work",
        "common,full",
    ]
    options = ["--users", "300", "--events", "10000", "--rounds", "1", "--distribution", "zipf", "--limit-s", "90"]
    options.append("--cold")  # so few events are committed at once
    completed = subprocess.run(
        [sys.executable, "-m", *command, *options, "--out", str(out)], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    machine, *lines = map(json.loads, completed.stdout.splitlines())
    assert machine["kafka"].startswith("4.")
    assert [(each["setting"], each["work"]) for each in lines] == [("memory", "common"), ("2-workers", "full")]
    for line in lines:
        assert line["correct"], completed.stderr
        assert line["events"] == 10_000
        assert line["events_per_s"] > 0
        assert 0 < line["changelog_records"] <= 20_000
    assert out.read_text() == completed.stdout
