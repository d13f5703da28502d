"""The children's metrics on one page, read with the official parser."""

import io
import sys
from urllib.request import urlopen

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.parser import text_string_to_metric_families

from bannerstream.devservers.ports import free_port, free_ports
from bannerstream.service.merged_log import MergedLog
from bannerstream.service.metrics_relay import MetricsRelay, scrape
from bannerstream.service.metrics_server import served_metrics
from bannerstream.service.supervisor import Service, Supervisor

COUNTS = """
import signal, sys
from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
registry = CollectorRegistry()
Counter("events", "Events folded", ["outcome"], registry=registry).labels("folded").inc(int(sys.argv[2]))
Histogram("took_seconds", "What it took", buckets=(1, 2), registry=registry).observe(1.5)
start_http_server(int(sys.argv[1]), registry=registry)
signal.pause()
"""


def page_of(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_the_page_holds_every_series_with_its_worker_and_a_child_that_does_not_answer_as_down() -> None:
    port, one, two, silent = free_ports(4)
    services = [
        Service(
            name,
            [sys.executable, "-c", COUNTS, str(own), str(count)],
            is_ready=lambda own=own: scrape(own) is not None,
            metrics_port=own,
        )
        for name, own, count in (("one", one, 3), ("two", two, 4))
    ]
    services.append(Service("silent", [sys.executable, "-c", "import signal; signal.pause()"], metrics_port=silent))
    with Supervisor([services], MergedLog(io.StringIO()), metrics_port=port):
        page = page_of(port)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert page.count("# TYPE events_total counter") == page.count("# HELP events_total Events folded") == 1
    events = {s.labels["worker"]: s for s in families["events"].samples if s.name == "events_total"}
    assert {worker: sample.value for worker, sample in events.items()} == {"one": 3, "two": 4}
    assert events["one"].labels == {"outcome": "folded", "worker": "one"}
    buckets = {
        (s.labels["worker"], s.labels["le"]): s.value for s in families["took_seconds"].samples if "le" in s.labels
    }
    assert buckets["two", "2.0"] == 1
    assert len(buckets) == 6
    up = {s.labels["worker"]: s.value for s in families["bannerstream_worker_up"].samples}
    assert up == {"one": 1, "two": 1, "silent": 0}
    restarts = {
        s.labels["worker"]: s.value for s in families["bannerstream_worker_restarts"].samples if "_total" in s.name
    }
    assert restarts == {"one": 0, "two": 0, "silent": 0}


def test_a_worker_that_relays_others_keeps_their_names_and_a_family_of_two_kinds_stays_readable() -> None:
    inner, other, port = CollectorRegistry(), CollectorRegistry(), free_port()
    Counter("events", "Events", ["worker"], registry=inner).labels("streams-1").inc()
    Gauge("events", "Not the same", registry=other).set(7)
    outer = CollectorRegistry()
    ports = free_ports(2)
    outer.register(MetricsRelay(dict(zip(("streams", "odd"), ports, strict=True))))
    with (
        served_metrics(ports[0], inner, setting="inner"),
        served_metrics(ports[1], other, setting="other"),
        served_metrics(port, outer, setting="outer"),
    ):
        families = {family.name: family for family in text_string_to_metric_families(page_of(port))}
    (event,) = [s for s in families["events"].samples if s.name == "events_total"]
    assert (event.labels, event.value) == ({"worker": "streams/streams-1"}, 1)


def test_what_is_not_a_metrics_page_is_no_answer() -> None:
    assert scrape(free_port()) is None
