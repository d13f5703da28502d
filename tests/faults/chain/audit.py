"""The audit of the whole chain: acknowledged at the edge, folded once, assigned, ready, bytes that hash, purged."""

import hashlib
import json
from collections.abc import Mapping, Sequence
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
    """What a run of the chain left behind."""

    streams: Evidence
    ready: Sequence[ConsumerRecord]
    acknowledged: Mapping[str, str]
    """The user id of every event that an edge node acknowledged, by event id."""
    purges: Sequence[tuple[float, frozenset[str]]]
    """Epoch milliseconds and tags of every purge that the CDN acknowledged."""


class StoredBanner(Protocol):
    """As much of a manifest as the audit reads."""

    @property
    def renditions(self) -> Sequence[Rendition]: ...

    @property
    def products(self) -> Mapping[str, object]: ...


class Bucket(Protocol):
    """As much of a banner store as the audit reads."""

    def manifest(self, banner_key: str) -> StoredBanner | None: ...

    def get_blob(self, key: str) -> bytes: ...


def audit_chain(evidence: ChainEvidence, settings: Settings, store: Bucket) -> Findings:
    """Return what is wrong once everything has caught up and the services are gone."""
    findings = Findings()
    written = {json.loads(record.value)["event_id"] for record in evidence.streams.inputs}
    for event_id in evidence.acknowledged.keys() - written:
        findings.add("lost", f"{event_id} was acknowledged and is in no topic")
    findings.take(audit(replace(evidence.streams, inputs=_with_repeats(evidence.streams.inputs)), settings))
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


def _with_repeats(inputs: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
    """Return the events in the form that the audit of streams reads, the second and later of an id marked as repeats.

    A page that received no answer sends its event again, so the topic may hold it twice.
    """
    seen: set[str] = set()
    marked = []
    for record in inputs:
        event = json.loads(record.value)
        if "product_id" in event:
            event["product_ids"] = [event.pop("product_id")]
        headers = [(REPEAT, b"")] if event["event_id"] in seen else []
        seen.add(event["event_id"])
        marked.append(replace(record, value=json.dumps(event).encode(), headers=headers))
    return marked


def _last_assignments(records: Sequence[ConsumerRecord]) -> dict[str, tuple[ConsumerRecord, Assignment]]:
    """Return each visitor's last decision, by user key, with the first record of it: a replay publishes it again."""
    last: dict[str, tuple[ConsumerRecord, Assignment]] = {}
    for record in records:
        if record.value is None:
            continue
        assignment = decode(record.value, Assignment)
        if assignment.user_key not in last or last[assignment.user_key][1].epoch < assignment.epoch:
            last[assignment.user_key] = (record, assignment)
    return last


def _check_stored(ready: BannerReady, store: Bucket, findings: Findings) -> None:
    """A ready event points to a manifest that shows the product, and to pictures that hash to their names."""
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
    """The last change of every visitor's pointer was purged after it happened."""
    first_ready: dict[str, int] = {}
    for record in evidence.ready:
        first_ready.setdefault(record.key.decode(), record.timestamp)
    purged: dict[str, float] = {}
    for at_ms, tags in evidence.purges:
        purged |= dict.fromkeys(tags, at_ms)
    for user_key, (record, assignment) in assigned.items():
        if assignment.banner_key not in first_ready:
            continue  # stuck, and noted as such
        changed_ms = max(record.timestamp, first_ready[assignment.banner_key])
        if purged.get(f"user-{user_key}", 0) < changed_ms:
            findings.add("stale", f"the pointer of {user_key} changed and was not purged after that")
