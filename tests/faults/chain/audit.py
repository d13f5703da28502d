"""The audit of the whole chain: acknowledged events are folded once; banners are ready, intact and purged."""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

from aiokafka import ConsumerRecord

from bannerstream.contracts.codecs import decode
from bannerstream.contracts.messages import Assignment, BannerReady, Rendition
from bannerstream.settings import Settings
from bannerstream.storage.errors import StorageError
from tests.faults.audit import Findings, audit
from tests.faults.evidence import Evidence
from tests.faults.load import REPEAT


@dataclass(frozen=True)
class ChainEvidence:
    """The evidence of a run of the chain."""

    streams: Evidence
    ready: Sequence[ConsumerRecord]
    acknowledged: Mapping[str, str]
    """The user id of every event that an edge node acknowledged, by event id."""
    purges: Sequence[tuple[float, frozenset[str]]]
    """Epoch milliseconds and tags of every purge that the CDN acknowledged."""


class StoredBanner(Protocol):
    """The part of a manifest that the audit reads."""

    @property
    def renditions(self) -> Sequence[Rendition]: ...

    @property
    def products(self) -> Mapping[str, object]: ...


class Bucket(Protocol):
    """The part of a banner store that the audit reads."""

    def manifest(self, banner_key: str) -> StoredBanner | None: ...

    def get_blob(self, key: str) -> bytes: ...


def audit_chain(evidence: ChainEvidence, settings: Settings, store: Bucket) -> Findings:
    """Return what is wrong after everything has caught up and the services have ended."""
    findings = Findings()
    written = {json.loads(record.value)["event_id"] for record in evidence.streams.inputs}
    for event_id in evidence.acknowledged.keys() - written:
        findings.add("lost", f"{event_id} was acknowledged and is in no topic")
    inputs = _with_repeats(evidence.streams.inputs)
    letters = letters_of(evidence.streams.dead_letters, {tp.topic for tp in evidence.streams.ends})
    findings.take(audit(replace(evidence.streams, inputs=inputs, dead_letters=letters), settings))
    assigned = _last_assignments(evidence.streams.assignments)
    announced = {record.key.decode(): record for record in evidence.ready if record.value is not None}
    for record, assignment in assigned.values():
        if assignment.banner_key not in announced:
            findings.add("stuck", f"banner {assignment.banner_key} of {record.key.decode()} never became ready")
    for record in evidence.ready:
        if record.value is not None:
            _check_stored(decode(record.value, BannerReady), store, findings)
    _check_purges(evidence, assigned, findings)
    return findings


def letters_of(letters: Sequence[ConsumerRecord], topics: Set[str]) -> list[ConsumerRecord]:
    """Return the dead letters of records of these topics."""
    return [letter for letter in letters if dict(letter.headers)["dlq_topic"].decode() in topics]


def _with_repeats(inputs: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
    """Return the events in the form that the audit of streams reads, with repeated event ids marked as repeats.

    A page that received no response sends its event again, so the topic may hold it twice. An event that is dated after
    its record, by a node with a wrong clock, has the time of its record.
    """
    seen: set[str] = set()
    marked = []
    for record in inputs:
        event = json.loads(record.value)
        if "product_id" in event:
            event["product_ids"] = [event.pop("product_id")]
        event["time"] = min(event["time"], record.timestamp)
        headers = [(REPEAT, b"")] if event["event_id"] in seen else []
        seen.add(event["event_id"])
        marked.append(replace(record, value=json.dumps(event).encode(), headers=headers))
    return marked


def _last_assignments(records: Sequence[ConsumerRecord]) -> dict[str, tuple[ConsumerRecord, Assignment]]:
    """Return each visitor's last assignment, by user key, with its first record: a replay publishes it again."""
    last: dict[str, tuple[ConsumerRecord, Assignment]] = {}
    for record in records:
        if record.value is None:
            continue
        assignment = decode(record.value, Assignment)
        if assignment.user_key not in last or last[assignment.user_key][1].epoch < assignment.epoch:
            last[assignment.user_key] = (record, assignment)
    return last


def _check_stored(ready: BannerReady, store: Bucket, findings: Findings) -> None:
    """Check that a ready event has a manifest with the product, and pictures whose hashes equal their names."""
    try:
        manifest = store.manifest(ready.banner_key)
        if manifest is None:
            findings.add("dangling", f"banner {ready.banner_key} is ready and has no manifest")
            return
        if not manifest.products:
            findings.add("wrong_bytes", f"banner {ready.banner_key} does not show the picture of {ready.product_id}")
        for rendition in manifest.renditions:
            content = store.get_blob(rendition.blob_key)
            name = rendition.blob_key.rpartition("/")[2].partition(".")[0]
            if hashlib.sha256(content).hexdigest() != name:
                findings.add("wrong_bytes", f"{rendition.blob_key} has {len(content)} bytes of something else")
    except StorageError as error:
        findings.add("dangling", f"banner {ready.banner_key}: {error}")


def _check_purges(
    evidence: ChainEvidence, assigned: Mapping[str, tuple[ConsumerRecord, Assignment]], findings: Findings
) -> None:
    """Check that every visitor's pointer was purged after its last change."""
    first_ready: dict[str, int] = {}
    for record in evidence.ready:
        first_ready.setdefault(record.key.decode(), record.timestamp)
    purged: dict[str, float] = {}
    for at_ms, tags in evidence.purges:
        purged |= dict.fromkeys(tags, at_ms)
    for user_key, (record, assignment) in assigned.items():
        if assignment.banner_key not in first_ready:
            continue  # already a finding (`stuck`)
        changed_ms = max(record.timestamp, first_ready[assignment.banner_key])
        if purged.get(f"user-{user_key}", 0) < changed_ms:
            findings.add("stale", f"the pointer of {user_key} changed and was not purged after that")
