"""The audit of the whole chain: an honest run passes, and each kind of wrong is found and named."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from aiokafka import ConsumerRecord

from bannerstream.contracts.codecs import decode, encode
from bannerstream.contracts.keys import blob_object_key
from bannerstream.contracts.messages import Assignment, BannerReady, Rendition
from bannerstream.storage.errors import ObjectMissing
from tests.faults.audit import Kind
from tests.faults.chain.audit import ChainEvidence, audit_chain
from tests.support.honest_run import KEYS, SETTINGS, honest

PICTURE = b"a picture"


@dataclass
class Banner:
    renditions: tuple[Rendition, ...]
    products: dict[str, object] = field(default_factory=lambda: {"970x250": "where the mug is"})


@dataclass
class MemoryBucket:
    banners: dict[str, Banner] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def manifest(self, banner_key: str) -> Banner | None:
        return self.banners.get(banner_key)

    def get_blob(self, key: str) -> bytes:
        if key not in self.blobs:
            raise ObjectMissing(key)
        return self.blobs[key]


@dataclass
class Run:
    evidence: ChainEvidence
    bucket: MemoryBucket

    def change(self, **changes: object) -> None:
        self.evidence = replace(self.evidence, **changes)  # type: ignore[arg-type]


def honest_run() -> Run:
    """Return what the chain leaves that makes every assigned banner, announces it and purges its visitors."""
    streams = replace(honest(), dead_letters=[])
    streams = replace(streams, inputs=[each for each in streams.inputs if not each.headers])
    sha256 = hashlib.sha256(PICTURE).hexdigest()
    picture = Rendition(
        size="970x250",
        blob_key=blob_object_key(sha256, "webp"),
        width=970,
        height=250,
        bytes=len(PICTURE),
        sha256=sha256,
        media_type="image/webp",
    )
    bucket = MemoryBucket(blobs={picture.blob_key: PICTURE})
    ready, purges = [], []
    for offset, record in enumerate(streams.assignments):
        assignment = decode(record.value or b"", Assignment)
        bucket.banners[assignment.banner_key] = Banner((picture,))
        announced = BannerReady(
            banner_key=assignment.banner_key,
            manifest_key=f"manifests/{assignment.banner_key}.json",
            product_id=assignment.product_id,
            cohort_id=assignment.cohort_id,
            renditions=(picture,),
            engine="studio",
            revision=1,
            ready_at=record.timestamp + 1,
            event_appended_at=record.timestamp,
        )
        at, key = record.timestamp + 1, assignment.banner_key.encode()
        ready.append(ConsumerRecord("ready", 0, offset, at, 1, key, encode(announced), None, 0, 0, ()))
        purges.append((at + 1.0, frozenset({f"user-{assignment.user_key}"})))
    acknowledged = {f"e-{number}": "ada" for number in range(60) if number % 20 != 7}
    return Run(ChainEvidence(streams, ready, acknowledged, purges), bucket)


def found(run: Run) -> set[Kind]:
    findings = audit_chain(run.evidence, SETTINGS, run.bucket)
    return {kind for kind, count in findings.counts().items() if count}


def test_an_honest_run_passes() -> None:
    assert found(honest_run()) == set()


def test_an_event_that_a_page_sent_again_is_expected_once() -> None:
    run = honest_run()
    streams = run.evidence.streams
    first = streams.inputs[0]
    again = replace(first, offset=60, timestamp=first.timestamp + 1)
    ends = dict.fromkeys(streams.ends, 61)
    run.change(streams=replace(streams, inputs=[*streams.inputs, again], ends=ends, committed=ends))
    kinds = found(run)
    assert "lost" in kinds  # its offset is committed, and no state has applied it
    assert "double" not in kinds


def an_acknowledged_event_is_missing(run: Run) -> None:
    run.change(acknowledged={**run.evidence.acknowledged, "e-99": "ada"})


def a_banner_is_never_ready(run: Run) -> None:
    last = {each.key: decode(each.value, Assignment).banner_key for each in run.evidence.streams.assignments}
    missing = last[KEYS["ada"].encode()].encode()
    run.change(ready=[each for each in run.evidence.ready if each.key != missing])


def a_picture_is_spoilt(run: Run) -> None:
    run.bucket.blobs = dict.fromkeys(run.bucket.blobs, PICTURE[:-1])


def a_banner_lacks_its_product(run: Run) -> None:
    next(iter(run.bucket.banners.values())).products.clear()


def a_picture_is_missing(run: Run) -> None:
    run.bucket.blobs.clear()


def a_manifest_is_missing(run: Run) -> None:
    run.bucket.banners.popitem()


def the_last_change_was_not_purged(run: Run) -> None:
    tag = f"user-{KEYS['ada']}"
    last = max(number for number, (_, tags) in enumerate(run.evidence.purges) if tag in tags)
    run.change(purges=[each for number, each in enumerate(run.evidence.purges) if number != last])


def a_pointer_was_purged_too_early(run: Run) -> None:
    run.change(purges=[(at_ms - 3, tags) for at_ms, tags in run.evidence.purges])


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (an_acknowledged_event_is_missing, "lost"),
        (a_banner_is_never_ready, "stuck"),
        (a_picture_is_spoilt, "wrong_bytes"),
        (a_banner_lacks_its_product, "wrong_bytes"),
        (a_picture_is_missing, "dangling"),
        (a_manifest_is_missing, "dangling"),
        (the_last_change_was_not_purged, "stale"),
        (a_pointer_was_purged_too_early, "stale"),
    ],
)
def test_what_is_wrong_is_found_and_named(wrong: Callable[[Run], None], kind: Kind) -> None:
    run = honest_run()
    wrong(run)
    assert found(run) == {kind}
