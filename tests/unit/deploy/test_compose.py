"""The structure of docker-compose.yml, checked without a container engine."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_origin

import pytest
import yaml
from pydantic import BaseModel

import bannerstream.cli.run
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings import Settings, load_settings
from bannerstream.settings.production import problems_of

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_whole_system_is_there() -> None:
    assert {
        "kafka",
        "s3",
        "topics",
        "bucket",
        "catalog",
        "streams",
        "generator",
        "experiments",
        "edge",
        "cdn",
        "purger",
        "prometheus",
        "grafana",
    } == SERVICES.keys()


@each_service
def test_what_is_built_or_mounted_exists(name: str) -> None:
    service = SERVICES[name]
    assert "build" in service or re.search(r":v?\d+\.\d+", service["image"]), "an image from outside names its version"
    if "build" in service:
        assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@each_service
def test_dependencies_exist_and_can_be_met(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        needed = {"service_healthy": "healthcheck", "service_completed_successfully": "restart"}[wanted["condition"]]
        assert needed in SERVICES[other]
        if needed == "restart":
            assert SERVICES[other]["restart"] == "no", "a service that is started again never completes"


@each_service
def test_ports_are_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@each_service
def test_every_variable_is_a_setting(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        mentioned = [variable, *re.findall(r"\$\{(\w+)", str(value))]
        for mention in mentioned:
            if mention.startswith("BANNERSTREAM_"):
                assert is_setting(mention), mention


def is_setting(variable: str) -> bool:
    """Tell whether a `BANNERSTREAM_…` variable names a setting that exists."""
    model: type[BaseModel] = Settings
    *groups, last = variable.removeprefix("BANNERSTREAM_").lower().split("__")
    for group in groups:
        if group not in model.model_fields:
            return False
        annotation = model.model_fields[group].annotation
        if get_origin(annotation) is dict:
            return True  # `last` is a key of one's own choice
        assert isinstance(annotation, type)
        model = annotation
    return last in model.model_fields


def test_a_setting_that_does_not_exist_is_noticed() -> None:
    assert is_setting("BANNERSTREAM_KAFKA__BOOTSTRAP_SERVERS")
    assert is_setting("BANNERSTREAM_EDGE__TOKEN_KEYS__ANY")
    assert not is_setting("BANNERSTREAM_KAFKA__BOOTSTRAP_SERVER")
    assert not is_setting("BANNERSTREAM_BROKER__BOOTSTRAP_SERVERS")


OURS = [name for name, service in SERVICES.items() if service.get("image") == "bannerstream"]
RUNNING = [name for name in OURS if SERVICES[name]["command"][0] == "run"]


def environment_of(name: str) -> dict[str, str]:
    """Return a service's variables as they are where the operator sets none."""
    given = SERVICES[name]["environment"].items()
    return {variable: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for variable, value in given}


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch, **changes: str) -> Settings:
    with monkeypatch.context() as patch:
        for variable, value in (environment_of(name) | changes).items():
            patch.setenv(variable, value)
        return load_settings()


def test_each_service_runs_the_command_of_its_name() -> None:
    assert {name: SERVICES[name]["command"] for name in RUNNING} == {name: ["run", name] for name in RUNNING}
    assert {*RUNNING} == {
        command.callback.__name__ for command in bannerstream.cli.run.app.registered_commands if command.callback
    }


@pytest.mark.parametrize("name", OURS)
def test_the_services_settings_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(name, monkeypatch)
    assert settings.kafka.bootstrap_servers == "kafka:19092"
    assert settings.storage.endpoint == "s3:7070"
    assert len(settings.experiments.variants) > 1, "streams draws from what experiments counts"


@pytest.mark.parametrize("name", OURS)
def test_every_secret_can_be_given_for_production(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="trial value"):
        settings_of(name, monkeypatch, BANNERSTREAM_ENVIRONMENT="production")
    secrets = {variable: "0123456789abcdef" * 4 for variable in environment_of(name) if "SECRET" in variable}
    secrets["BANNERSTREAM_EDGE__TOKEN_KEYS__TRIAL"] = "0123456789abcdef" * 4
    # What the file does not offer: its broker is one, without TLS, as is its store.
    secured = {"KAFKA__SECURITY_PROTOCOL": "SSL", "KAFKA__REPLICATION_FACTOR": "3", "STORAGE__SECURE": "true"}
    safe = {f"BANNERSTREAM_{variable}": value for variable, value in secured.items()}
    settings = settings_of(name, monkeypatch, BANNERSTREAM_ENVIRONMENT="production", **secrets, **safe)
    assert problems_of(settings, "all", "tokens") == []
    given = {each for value in SERVICES[name]["environment"].values() for each in re.findall(r"\$\{(\w+)", str(value))}
    assert secrets.keys() <= given


def test_prometheus_scrapes_the_ports_that_the_services_open(monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text(encoding="utf-8"))
    scraped = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}
    opened = {}
    for name in RUNNING:
        settings = settings_of(name, monkeypatch)
        ports = {
            "streams": settings.streams.metrics_port,
            "generator": settings.generator.metrics_port,
            "experiments": settings.experiments.metrics_port,
            "edge": settings.edge.port,
            "purger": settings.cdn.metrics_port,
        }
        opened[name] = f"{name}:{ports[name]}"
        assert f"127.0.0.1:{ports[name]}/" in " ".join(SERVICES[name]["healthcheck"]["test"])
    assert scraped == opened


def test_alerts_ask_for_jobs_that_are_scraped() -> None:
    rules = (ROOT / "dashboards" / "alerts.yml").read_text(encoding="utf-8")
    asked = {job for jobs in re.findall(r'job=~?"([^"]+)"', rules) for job in jobs.split("|")}
    assert asked == {*RUNNING}


def test_no_two_services_take_one_port_of_the_machine() -> None:
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(set(ports)) == len(ports)


def test_the_purger_tells_the_cdn_that_pages_go_through(monkeypatch: pytest.MonkeyPatch) -> None:
    cdn = environment_of("cdn")
    settings = settings_of("purger", monkeypatch)
    assert settings.cdn.nodes == (f"http://cdn:{cdn['LISTEN']}",)
    assert settings.cdn.purge_token is not None
    assert settings.cdn.purge_token.get_secret_value() == cdn["PURGE_TOKEN"]
    assert (cdn["EDGE_HOST"], int(cdn["EDGE_PORT"])) == ("edge", settings_of("edge", monkeypatch).edge.port)
    (mounted,) = SERVICES["cdn"]["volumes"]
    rules = (ROOT / mounted.split(":")[0]).read_text(encoding="utf-8")
    assert {*re.findall(r"\$\{(\w+)\}", rules)} == cdn.keys(), "the image fills in what it is given, and nothing else"


def test_files_are_mounted_where_prometheus_and_grafana_look() -> None:
    mounted = {
        target
        for service in ("prometheus", "grafana")
        for _, target, *_ in (volume.split(":") for volume in SERVICES[service]["volumes"])
    }
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text(encoding="utf-8"))
    assert set(config["rule_files"]) <= mounted
    provider = ROOT / "deploy" / "grafana" / "provisioning" / "dashboards" / "bannerstream.yml"
    (folder,) = (each["options"]["path"] for each in yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"])
    assert any(target.startswith(f"{folder}/") for target in mounted)


def test_kafka_and_versitygw_are_the_versions_that_tests_run_on() -> None:
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text(encoding="utf-8")
    version = re.search(r"<kafka\.version>(.+)</kafka\.version>", pom)
    assert version is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version.group(1)}"
    built = re.search(r"ARG VERSION=(\S+)", (ROOT / "deploy" / "versitygw.Dockerfile").read_text(encoding="utf-8"))
    assert built is not None
    assert f'"{built.group(1)}"' in (ROOT / "devservers" / "s3_versitygw.py").read_text(encoding="utf-8")


def test_the_image_installs_pinned_requirements_and_runs_as_nobody() -> None:
    dockerfile = (ROOT / "deploy" / "bannerstream.Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER \d{4,}$", dockerfile, re.MULTILINE), "a number, so that Kubernetes can see it is not root"
    for source in re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.MULTILINE):
        assert (ROOT / source).exists()
    ignored = set((ROOT / ".dockerignore").read_text(encoding="utf-8").split())
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert not ignored & {*wheel["wheel"]["packages"], "requirements", "pyproject.toml", "README.md", "LICENSE"}
