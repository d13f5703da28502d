"""A product is described once per revision of product, model and prompt, also when several threads ask at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from bannerstream.contracts.catalog import Product, with_rev
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.generator.describers.kept_describer import KeptDescriber, description_key
from bannerstream.generator.pipeline.fakes import FakeDescriber, FakeStore

MUG = with_rev(Product(product_id="mug", title="Blue Mug", category="kitchen", cohorts={"any": 1.0}))
LAMP = with_rev(Product(product_id="lamp", title="Desk Lamp", category="desk", cohorts={"any": 1.0}))


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def test_what_was_described_is_read_from_the_store(executor: Executor):
    describer, store = FakeDescriber(), FakeStore()
    first = KeptDescriber(describer, store, executor).describe([MUG, LAMP, MUG])
    assert [each.subject for each in first] == ["mug", "lamp", "mug"]
    assert KeptDescriber(describer, store, executor).describe([LAMP, MUG]) == [first[1], first[0]]
    assert describer.described == ["mug", "lamp"]
    assert store.descriptions.keys() == {description_key(str(each.rev), describer.revision) for each in (MUG, LAMP)}


def test_another_rev_or_describer_describes_again(executor: Executor):
    store = FakeStore()
    edited = with_rev(Product(product_id="mug", title="Red Mug", category="kitchen", cohorts={"any": 1.0}))
    describer, later = FakeDescriber(), FakeDescriber("fake@2")
    KeptDescriber(describer, store, executor).describe([MUG])
    KeptDescriber(describer, store, executor).describe([edited])
    KeptDescriber(later, store, executor).describe([MUG])
    assert (describer.described, later.described) == (["mug", "mug"], ["mug"])


def test_who_asks_while_it_is_being_described_waits_and_shares(executor: Executor):
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        begun.set()
        assert go_on.wait(10)

    describer = FakeDescriber(fault=slow)
    kept = KeptDescriber(describer, FakeStore(), executor)
    with ThreadPoolExecutor(2) as askers:
        first = askers.submit(kept.describe, [MUG])
        assert begun.wait(10)
        second = askers.submit(kept.describe, [MUG])
        go_on.set()
        assert first.result(10) == second.result(10)
    assert describer.described == ["mug"]


def test_what_fails_is_told_to_all_who_wait_and_tried_again_later(executor: Executor):
    describer = FakeDescriber(fault=lambda _: (_ for _ in ()).throw(RuntimeError("out of memory")))
    store = FakeStore()
    kept = KeptDescriber(describer, store, executor)
    with pytest.raises(RuntimeError, match="out of memory"):
        kept.describe([MUG])
    assert store.descriptions == {}
    describer.fault = lambda _: None
    assert kept.describe([MUG])[0].subject == "mug"


def test_a_store_that_is_away_is_no_failure_of_the_describer(executor: Executor):
    def away(operation: str, key: str) -> None:
        raise ServiceUnavailable("the store is away")

    with pytest.raises(ServiceUnavailable):
        KeptDescriber(FakeDescriber(), FakeStore(away), executor).describe([MUG])
