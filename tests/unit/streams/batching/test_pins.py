"""The private methods of Faust and aiokafka that we override have not changed since the overrides were written."""

import inspect
import pkgutil
import re
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode import Service

import bannerstream.streams.batching
from bannerstream.streams.batching.compat import PRIVATE_OVERRIDES, TESTED, PrivateOverride, check_versions, digest
from bannerstream.streams.batching.consumer import BatchConsumer
from bannerstream.streams.batching.thread import BatchThread

for _module in pkgutil.iter_modules(bannerstream.streams.batching.__path__, "bannerstream.streams.batching."):
    import_module(_module.name)  # each module declares its overrides


@pytest.mark.parametrize("replaced", PRIVATE_OVERRIDES, ids=lambda replaced: replaced.target)
def test_a_replaced_method_has_not_changed(replaced: PrivateOverride) -> None:
    found = replaced.installed_digest()
    assert found == replaced.digest, (
        f"{replaced.target} has changed since its override in streams/batching was written. Read the change, adapt "
        f'the override, run tests/integration/streams and tests/faults, then write "{found}" beside the override '
        f"and the installed version into compat.TESTED"
    )


def test_every_replacement_is_declared_once() -> None:
    targets = [each.target for each in PRIVATE_OVERRIDES]
    assert len(targets) == len(set(targets))
    sources = "".join(each.read_text() for each in Path(bannerstream.streams.batching.__path__[0]).glob("*.py"))
    assert len(re.findall(r"^ *@overrides_private\(", sources, re.MULTILINE)) == len(targets)


def test_the_tested_versions_are_the_ones_that_this_project_installs(caplog) -> None:
    assert {name: version(name) for name in TESTED} == TESTED
    assert check_versions() == []
    assert caplog.messages == []


def test_a_worker_on_other_versions_says_so_when_it_starts(monkeypatch, caplog) -> None:
    monkeypatch.setitem(TESTED, "aiokafka", "0.1.2")
    (wrong,) = check_versions()
    assert wrong == f"aiokafka {version('aiokafka')} is installed; streams.batching was tested on 0.1.2"
    (message,) = caplog.messages
    assert wrong in message
    assert "install the tested version" in message


def test_a_digest_is_of_the_source_and_not_of_where_it_stands() -> None:
    def here() -> int:
        return 1

    class Elsewhere:
        def here(self) -> int:
            return 2

    inner = digest(here)
    assert inner != digest(Elsewhere.here)
    assert len(inner) == 12

    def here() -> int:
        return 1

    assert digest(here) == inner


def test_digests_look_into_properties_and_tasks() -> None:
    class Some(Service):
        @property
        def one(self) -> int:
            return 1

        @Service.task
        async def two(self) -> None:
            """Do nothing."""

    assert digest(Some.one) == digest(Some.one.fget)
    assert digest(Some.two) == digest(Some.two.fun)


def test_a_method_that_is_gone_is_not_taken_for_unchanged() -> None:
    with pytest.raises(AttributeError, match="no_such_method"):
        PrivateOverride(
            "faust.transport.consumer:Consumer.no_such_method", "0" * 12, "nobody:nothing"
        ).installed_digest()


@pytest.mark.parametrize(
    ("ours", "stock"), [(BatchConsumer, Consumer), (BatchThread, AIOKafkaConsumerThread)], ids=["consumer", "thread"]
)
def test_an_override_that_does_not_call_the_stock_method_is_declared(ours: type, stock: type) -> None:
    declared = {each.target.rsplit(".", 1)[1] for each in PRIVATE_OVERRIDES}
    for name, member in vars(ours).items():
        if callable(member) and hasattr(stock, name) and not name.startswith("__") and name not in declared:
            assert f"super().{name}(" in inspect.getsource(member), f"{ours.__name__}.{name}: declare its override"
