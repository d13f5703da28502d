"""What a sweep takes for unneeded, what it leaves alone, and that nothing that is needed dangles after it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bannerstream.contracts.catalog import Cohort, with_rev
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import BannerReady
from bannerstream.storage.bucket import StoredObject, Upload
from bannerstream.storage.fakes import MemoryBannerStore
from bannerstream.upkeep.errors import SweepRefused
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.pointers import Catalogue, Pointers
from bannerstream.upkeep.sweep_plan import Ages, SweepPlan
from bannerstream.upkeep.sweeper import Sweeper
from tests.support.stored_banners import MUG, ready_of, store_banner

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=40)
DAY = timedelta(days=1)
A, B, C = "a" * 64, "b" * 64, "c" * 64
NOTHING = Pointers({}, frozenset())


@pytest.fixture
def store() -> MemoryBannerStore:
    return MemoryBannerStore()


def sweeper(store: MemoryBannerStore, **ages: timedelta) -> Sweeper:
    return Sweeper(store, Pace(1000, sleep=lambda _: None), NOW, Ages(**ages))


def pointers(ready: Mapping[str, Manifest] | None = None, *assigned: str) -> Pointers:
    return Pointers({key: ready_of(manifest) for key, manifest in (ready or {}).items()}, frozenset(assigned))


def age(store: MemoryBannerStore, written: datetime = OLD, *keys: str) -> None:
    for key in keys or tuple(store.objects):
        store.bucket.modified_at[key] = written


def planned(plan: SweepPlan) -> tuple[set[str], set[str]]:
    return {banner.banner_key for banner in plan.manifests}, {blob.key for blob in plan.blobs}


def blob_keys(*manifests: Manifest) -> set[str]:
    return {rendition.blob_key for manifest in manifests for rendition in manifest.renditions}


def test_what_nothing_points_to_goes_with_its_blobs_and_what_is_pointed_to_stays(store: MemoryBannerStore) -> None:
    announced = store_banner(store, A, (b"announced", b"shared"))
    assigned = store_banner(store, B, (b"assigned",))
    orphan = store_banner(store, C, (b"orphan", b"shared"))
    left_over = store.put_blob(b"of a crash", "image/webp")
    age(store)
    plan = sweeper(store).plan(pointers({A: announced}, B))
    gone = {left_over} | blob_keys(orphan) - blob_keys(announced)
    assert planned(plan) == ({C}, gone)
    assert len(store.objects) == 3 + 5, "a plan changes nothing"

    removed = sweeper(store).remove(plan, pointers({A: announced}, B))
    assert planned(removed) == planned(plan)
    assert store.objects.keys() == {f"manifests/{A}.json", f"manifests/{B}.json"} | blob_keys(announced, assigned)


@pytest.mark.parametrize(("days", "goes"), [(6, False), (8, True)])
def test_what_is_younger_than_its_age_stays(store: MemoryBannerStore, days: float, goes: bool) -> None:
    manifest = store_banner(store, A)
    age(store, NOW - days * DAY)
    assert planned(sweeper(store).plan(NOTHING)) == (({A}, blob_keys(manifest)) if goes else (set(), set()))
    ages = {"manifests": 20 * DAY, "blobs": 20 * DAY}
    assert planned(sweeper(store, **ages).plan(NOTHING)) == (set(), set())


def test_blobs_of_a_young_manifest_stay_however_old_they_are(store: MemoryBannerStore) -> None:
    manifest = store_banner(store, A)
    age(store, OLD, *blob_keys(manifest))
    assert planned(sweeper(store).plan(NOTHING)) == (set(), set())


def test_an_announced_preview_keeps_its_blobs_until_the_banner_is_announced(store: MemoryBannerStore) -> None:
    preview = store_banner(store, A, (b"preview",))
    banner = store_banner(store, A, (b"banner",), revision=2)
    age(store)
    assert planned(sweeper(store).plan(pointers({A: preview}))) == (set(), set())
    assert planned(sweeper(store).plan(pointers({A: banner}))) == (set(), blob_keys(preview))


def test_other_prefixes_and_names_that_are_not_ours_are_left_alone(store: MemoryBannerStore) -> None:
    kept = {
        "catalogue/aa/mug.png",
        "descriptions/1.json",
        "blocked/1.json",
        "scenes/1/1.png",
        "blobs/readme.txt",
        "blobs/aa/logo.svg",
        "backup/blobs/aa/" + "a" * 64 + ".webp",
    }
    store.objects |= dict.fromkeys(kept, b"kept")
    age(store)
    sweeping = sweeper(store)
    sweeping.remove(sweeping.plan(NOTHING), NOTHING)
    assert store.objects.keys() == kept


def test_uploads_that_were_not_finished(store: MemoryBannerStore) -> None:
    old, young = (
        Upload("catalogue/a.png", name, NOW - hours * timedelta(hours=1)) for name, hours in (("o", 30), ("y", 2))
    )
    store.bucket.pending = [old, young]
    sweeping = sweeper(store)
    plan = sweeping.plan(NOTHING)
    assert plan.uploads == [old]
    sweeping.remove(plan, NOTHING)
    assert store.bucket.pending == [young]


def test_no_blob_goes_while_a_manifest_cannot_be_read(store: MemoryBannerStore) -> None:
    manifest = store_banner(store, A)
    store.put_blob(b"of a crash", "image/webp")
    store.objects[f"manifests/{A}.json"] = b"{"
    age(store)
    sweeping = sweeper(store)
    plan = sweeping.plan(pointers({}, A))
    assert plan.unreadable == [f"manifests/{A}.json"]
    assert planned(plan) == (set(), set())
    sweeping.remove(plan, pointers({}, A))
    assert blob_keys(manifest) < store.objects.keys()


def test_a_manifest_that_cannot_be_read_goes_like_any_other_once_nothing_points_to_it(store: MemoryBannerStore) -> None:
    store_banner(store, A)
    store.objects[f"manifests/{A}.json"] = b"{"
    age(store)
    sweeping = sweeper(store)
    plan = sweeping.plan(NOTHING)
    assert plan.unreadable == []
    sweeping.remove(plan, NOTHING)
    assert store.objects == {}


def test_what_is_pointed_to_since_the_plan_stays(store: MemoryBannerStore) -> None:
    manifests = {key: store_banner(store, key, (key.encode(), b"shared")) for key in (A, B, C)}
    age(store)
    sweeping = sweeper(store)
    plan = sweeping.plan(NOTHING)
    assert planned(plan)[0] == {A, B, C}
    now_needed = pointers({A: manifests[A]}, B)
    sweeping.remove(plan, now_needed)
    assert store.objects.keys() == {f"manifests/{key}.json" for key in (A, B)} | blob_keys(manifests[A], manifests[B])


def test_a_blob_that_a_generator_needed_since_stays(store: MemoryBannerStore) -> None:
    """It finds the blob older than a day and writes it again (`storage.store.FRESH_S`)."""
    key = store.put_blob(b"of a crash", "image/webp")
    age(store)
    sweeping = sweeper(store)
    plan = sweeping.plan(NOTHING)
    manifest = store_banner(store, A, (b"of a crash",))
    store.put_blob(b"of a crash", "image/webp", again=True)
    assert sweeping.remove(plan, NOTHING).blobs == []
    assert blob_keys(manifest) == {key}
    assert key in store.objects


def test_what_was_needed_between_a_look_and_its_removal_is_found(store: MemoryBannerStore) -> None:
    announced, orphan = store_banner(store, A, (b"announced",)), store.put_blob(b"of a crash", "image/webp")
    age(store)
    sweeping = sweeper(store)
    plan = sweeping.plan(NOTHING)
    real = store.bucket.stat

    def stat_then_reuse(key: str, operation: str) -> StoredObject | None:
        found = real(key, operation)
        if key == orphan:
            store_banner(store, B, (b"of a crash",))  # a generator, after this look and before the removal
        return found

    store.bucket.stat = stat_then_reuse  # type: ignore[method-assign]
    removed = sweeping.remove(plan, NOTHING)
    store.bucket.stat = real  # type: ignore[method-assign]
    findings = sweeping.missed(removed, pointers({A: announced}))
    assert {(finding.kind, finding.banner_key, finding.key) for finding in findings} == {
        ("ready_without_manifest", A, f"manifests/{A}.json"),
        ("blob_missing", B, orphan),
    }
    assert all(finding.product_id == "mug" for finding in findings)


COSY = with_rev(Cohort(cohort_id="cosy", name="Cosy", mood=("warm",), palette=("#ffffff", "#ddccbb", "#884422")))
CATALOGUE = Catalogue({"mug": MUG}, {"cosy": COSY})


def announced_as(store: MemoryBannerStore, key: str, *, ready_at: int = 0, **changed: str) -> BannerReady:
    manifest = replace(store_banner(store, key, (key.encode(),)), cohort_rev=COSY.rev, **changed)
    store.put_manifest(manifest)
    age(store)
    return replace(ready_of(manifest), ready_at=ready_at)


@pytest.mark.parametrize(
    ("changed", "goes"),
    [
        ({}, False),
        ({"product_rev": "f" * 16}, True),
        ({"product_id": "withdrawn"}, True),
        ({"cohort_rev": "f" * 16}, True),
        ({"creative_revision": "0"}, True),
    ],
)
def test_a_banner_that_the_catalogue_has_moved_on_from_is_outdated(
    store: MemoryBannerStore, changed: dict[str, str], goes: bool
) -> None:
    ready = {A: announced_as(store, A), B: announced_as(store, B, ready_at=9)}
    store.put_manifest(replace(store.manifest(A), **changed))  # type: ignore[type-var]
    age(store)
    plan = sweeper(store).plan(Pointers(ready, frozenset()), CATALOGUE, "1")
    assert {banner.banner_key for banner in plan.outdated} == ({A} if goes else set())
    assert planned(plan) == (set(), set()), "it is announced: its pointer goes first"
    assert sweeper(store).plan(Pointers(ready, frozenset()), None).outdated == []
    assert sweeper(store).plan(Pointers(ready, frozenset({A})), CATALOGUE, "1").outdated == [], "a visitor has it"
    assert sweeper(store, outdated=99 * DAY).plan(Pointers(ready, frozenset()), CATALOGUE, "1").outdated == []
    assert sweeper(store).plan(Pointers(ready, frozenset()), Catalogue({}, {}), "1").outdated == []


def test_the_banner_that_a_cohort_s_visitors_see_meanwhile_is_not_outdated(store: MemoryBannerStore) -> None:
    ready = {key: announced_as(store, key, ready_at=at, product_id="withdrawn") for at, key in enumerate((A, B, C))}
    plan = sweeper(store).plan(Pointers(ready, frozenset()), CATALOGUE, "1")
    assert {banner.banner_key for banner in plan.outdated} == {A, B}


def test_a_sweep_that_would_remove_too_much_is_refused(store: MemoryBannerStore) -> None:
    """After `banner.ready` was lost, nothing points to any banner."""
    keys = [f"{number:064x}" for number in range(20)]
    ready = {key: store_banner(store, key, (key.encode(),)) for key in keys}
    age(store)
    lost = sweeper(store).plan(NOTHING)
    with pytest.raises(SweepRefused, match="20 of 20 manifests"):
        lost.refuse_if_suspicious(0.5)
    lost.refuse_if_suspicious(1.0)
    half = pointers({key: ready[key] for key in keys[:10]})
    sweeper(store).plan(half).refuse_if_suspicious(0.5)
    with pytest.raises(SweepRefused):
        sweeper(store).plan(pointers({key: ready[key] for key in keys[:9]})).refuse_if_suspicious(0.5)


KEYS = st.sampled_from([letter * 64 for letter in "abcdef"])
CONTENTS = st.sampled_from([b"1", b"2", b"3", b"4", b"5"])


@given(
    banners=st.dictionaries(KEYS, st.tuples(st.lists(CONTENTS, min_size=1, max_size=3, unique=True), st.booleans())),
    strays=st.sets(CONTENTS),
    young=st.sets(CONTENTS),
    ready=st.sets(KEYS),
    ready_later=st.sets(KEYS),
    assigned=st.sets(KEYS),
)
def test_after_any_sweep_every_pointer_leads_to_a_whole_banner(
    *,
    banners: dict[str, tuple[list[bytes], bool]],
    strays: set[bytes],
    young: set[bytes],
    ready: set[str],
    ready_later: set[str],
    assigned: set[str],
) -> None:
    store = MemoryBannerStore()
    manifests = {key: store_banner(store, key, contents) for key, (contents, _) in banners.items()}
    blobs = {content: store.put_blob(content, "image/webp") for content in strays | young}
    age(store)
    age(
        store,
        NOW,
        *(blobs[content] for content in young),
        *(f"manifests/{key}.json" for key, (_, new) in banners.items() if new),
        "-",
    )
    first = pointers({key: manifests[key] for key in ready & manifests.keys()}, *assigned)
    then = pointers({key: manifests[key] for key in (ready | ready_later) & manifests.keys()}, *assigned)
    sweeping = sweeper(store)
    sweeping.remove(sweeping.plan(first), then)
    left = {key: manifest for key, manifest in manifests.items() if f"manifests/{key}.json" in store.objects}
    assert then.ready.keys() | (assigned & manifests.keys()) <= left.keys()
    assert all(store.has_blobs(manifest) for manifest in left.values())
    assert {blobs[content] for content in young} <= store.objects.keys()
    needed = blob_keys(*left.values()) | {blobs[content] for content in young}
    assert {key for key in store.objects if key.startswith("blobs/")} == needed, "and nothing else is left"
