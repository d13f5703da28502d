"""The dashboard and the alert rules query only metrics that the services export."""

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from bannerstream.edge.metrics import EdgeMetrics
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.purger.metrics import PurgerMetrics
from bannerstream.service.supervisor_metrics import SupervisorMetrics
from bannerstream.storage.metrics import StorageMetrics
from bannerstream.streams.experiments.metrics import DrawMetrics, ExperimentMetrics
from bannerstream.streams.metrics import OutboxMetrics, StreamsMetrics

ROOT = Path(__file__).resolve().parents[3]
DASHBOARDS = ROOT / "dashboards"
CONTAINERS: dict[type, Callable[[CollectorRegistry], object]] = {
    StreamsMetrics: StreamsMetrics,
    DrawMetrics: DrawMetrics,
    GeneratorMetrics: GeneratorMetrics,
    StorageMetrics: StorageMetrics,
    EdgeMetrics: EdgeMetrics,
    PurgerMetrics: PurgerMetrics,
    SupervisorMetrics: SupervisorMetrics,
    ExperimentMetrics: lambda registry: ExperimentMetrics(registry, ()),
}
DASHBOARD: dict[str, Any] = json.loads((DASHBOARDS / "bannerstream.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DASHBOARDS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
EXPRESSIONS = [
    *(pytest.param(target["expr"], id=panel["title"]) for panel in PANELS for target in panel["targets"]),
    *(pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES),
]


@pytest.fixture(scope="module")
def measured() -> dict[str, set[str]]:
    """Every series name that the services expose, with its labels."""
    registry = CollectorRegistry()
    for create in CONTAINERS.values():
        create(registry)
    series: dict[str, set[str]] = {}
    for metric in list(registry._collector_to_names):
        for family in metric.describe():
            labels = set(metric._labelnames)  # type: ignore[attr-defined]  # of a metric, not of any collector
            names = {
                "counter": {f"{family.name}_total": labels},
                "gauge": {family.name: labels},
                "histogram": {
                    f"{family.name}_bucket": labels | {"le"},
                    f"{family.name}_sum": labels,
                    f"{family.name}_count": labels,
                },
            }
            series |= names[family.type]
    return series


def test_no_service_measures_what_is_not_looked_at_here() -> None:
    declaring = {
        f"bannerstream.{path.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')}"
        for room in (ROOT / "src/bannerstream").iterdir()
        for path in room.resolve().rglob("*.py")
        if re.search(r'\b(?:Counter|Gauge|Histogram|Summary|Info|Enum)\(\s*"bannerstream_', path.read_text("utf-8"))
    }
    assert declaring == {each.__module__ for each in CONTAINERS}
    for name in declaring:
        classes = {each for each in vars(importlib.import_module(name)).values() if isinstance(each, type)}
        own = {each for each in classes if each.__module__ == name}
        assert own - {OutboxMetrics} <= CONTAINERS.keys(), "the outbox's are within those of streams"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_is_measured(expression: str, measured: dict[str, set[str]]) -> None:
    asked = set(re.findall(r"\bbannerstream_\w+", expression))
    assert asked <= measured.keys()
    if "up{" not in expression:
        assert asked
    labels = {"le", "instance", "job"}.union(*(measured[name] for name in asked))  # the last two are Prometheus's own
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", grouped)) <= labels


def test_every_metric_is_shown(measured: dict[str, set[str]]) -> None:
    shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in measured if not name.endswith("_total")}
    families |= {name for name in measured if name.endswith("_total")}
    assert sorted(family for family in families if family not in shown) == []


def test_no_data_source_is_hard_coded() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert set(_values(DASHBOARD["panels"], "datasource")) == {("prometheus", "${datasource}")}
    assert "id" not in DASHBOARD
    assert "__inputs" not in DASHBOARD


def _values(node: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if key in node:
            yield node[key]["type"], node[key]["uid"]
        for child in node.values():
            yield from _values(child, key)
    elif isinstance(node, list):
        for child in node:
            yield from _values(child, key)


def test_panels_have_a_place_of_their_own_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_legends_use_labels_that_the_expression_keeps() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            kept = {
                label for group in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for label in re.split(r",\s*", group)
            }
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept, panel["title"]


def test_every_alert_says_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "action"}


def test_every_alert_is_in_the_runbook() -> None:
    page = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    written = re.findall(r"(?m)^\| `(Bannerstream\w+)` \| [^|]+ \| [^|]+ \|$", page)
    assert written == [rule["alert"] for rule in RULES], "in the order of alerts.yml"


def test_labels_that_are_asked_for_are_measured(measured: dict[str, set[str]]) -> None:
    for expression in (each.values[0] for each in EXPRESSIONS):
        for name, selector in re.findall(r"\b(bannerstream_\w+)\{([^}]*)\}", str(expression)):
            assert set(re.findall(r"(\w+)\s*[=!]~?\s*\"", selector)) <= measured[name], expression


def test_every_alert_is_tested() -> None:
    tests = yaml.safe_load((DASHBOARDS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {check["alertname"] for test in tests for check in test["alert_rule_test"] if check["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES}


@pytest.mark.real
def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    queries = [target["expr"].replace("$__rate_interval", "5m") for panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", file)


@pytest.mark.real
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    config = (ROOT / "deploy" / "prometheus.yml").read_text(encoding="utf-8")
    file = tmp_path / "prometheus.yml"
    file.write_text(config.replace("/etc/prometheus/alerts.yml", str(DASHBOARDS / "alerts.yml")), encoding="utf-8")
    promtool("check", "config", file)


@pytest.mark.real
def test_the_rules_fire_when_they_should() -> None:
    promtool("test", "rules", DASHBOARDS / "alerts_test.yml")


def promtool(*arguments: str | Path) -> None:
    """Run promtool; skip where it is not installed, fail with what it says."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
