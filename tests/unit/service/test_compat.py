"""Private internals of uvicorn, aiokafka and minio are what they were when the code that stands on them was written."""

import re
import tomllib
from functools import reduce
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

from bannerstream.service.compat import PRIVATE_OVERRIDES, PrivateOverride, overrides_private
from bannerstream.streams.batching.compat import digest

ROOT = Path(__file__).parents[3]
BATCHING = ROOT / "streams" / "batching"
USE = re.compile(r"^ *@overrides_private\(", re.MULTILINE)
DECLARING = {
    path: len(USE.findall(path.read_text("utf-8")))
    for room in (
        "broker",
        "catalog",
        "demo",
        "edge",
        "generator",
        "lab",
        "purger",
        "service",
        "storage",
        "streams",
        "upkeep",
    )
    for path in (ROOT / room).rglob("*.py")
    if BATCHING not in path.parents and USE.search(path.read_text("utf-8"))
}
for _path in DECLARING:
    import_module(".".join(("bannerstream", *_path.relative_to(ROOT).with_suffix("").parts)))


def installed(target: str) -> str:
    module, _, path = target.partition(":")
    return digest(reduce(getattr, path.split("."), import_module(module)))


@pytest.mark.parametrize("override", PRIVATE_OVERRIDES, ids=lambda override: f"{override.by}-{override.target}")
def test_what_is_overridden_has_not_changed(override: PrivateOverride) -> None:
    found = installed(override.target)
    assert found == override.digest, (
        f"{override.target} is not what {override.by} was written against. Read what changed, adapt {override.by}, run "
        f'its tests, then write "{found}" beside it'
    )


def test_every_declaration_was_checked() -> None:
    assert len(PRIVATE_OVERRIDES) == sum(DECLARING.values())
    places = {override.by.partition(":")[0].removeprefix("bannerstream.") for override in PRIVATE_OVERRIDES}
    assert places >= {
        "broker.empty_fetches", "broker.topic_sample", "edge.main", "edge.protocol", "storage.retrying_client",
    }  # fmt: skip


def test_a_changed_library_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bannerstream.service.compat.PRIVATE_OVERRIDES", declared := [])

    @overrides_private("uvicorn:Server.run", "0" * 12)
    def run() -> None: ...

    (override,) = declared
    assert (override.target, override.by) == ("uvicorn:Server.run", f"{__name__}:{run.__qualname__}")
    assert installed(override.target) != override.digest


def test_the_least_uvicorn_is_the_tested_one() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert f"uvicorn>={version('uvicorn').rpartition('.')[0]}" in required
