"""The systems and their settings: how they are started, where their states are stored, how these are checked."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.arena import worker
from bench.arena.audit import latest_states, what_differs
from bench.arena.environments import PEERS, REPOSITORY, maven_classpath, python_environment
from bench.arena.expected import Expected
from bench.arena.topics import Committed, Topics
from bench.arena.workload import PARTITIONS
from bench.arena.written import Written, insertions

FEW_EVENTS = 60_000
"""The limit for stock Faust, which folds about 3,000 a second: 20 s."""

Audit = Callable[[Topics, str, Expected], str | None]
"""Maps (topics, name of the changelog, expected states) to what is wrong, or None."""


@dataclass(frozen=True, slots=True)
class Place:
    """The inputs of one run."""

    bootstrap: str
    topic: str
    app: str
    table: Path
    folder: Path

    def environment(self) -> dict[str, str]:
        """Return them as the variables of bench/peers/README.md."""
        return {
            "BENCH_BOOTSTRAP": self.bootstrap,
            "BENCH_TOPIC": self.topic,
            "BENCH_APP": self.app,
            "BENCH_TABLE": str(self.table),
            "BENCH_FOLDER": str(self.folder),
            "PYTHONPATH": f"{PEERS}:{REPOSITORY}",
        }


@dataclass(frozen=True, slots=True)
class Contender:
    """One system in one setting."""

    system: str
    setting: str
    work: str
    command: Callable[[], Sequence[str]]
    """Returns the command; builds its environment the first time."""
    changelog: str
    """The changelog's name, with placeholders {app} and {topic}."""
    audit: Audit
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Place], Mapping[str, str]] = lambda _: {}
    """Prepares one run; returns additional variables."""
    processes: int = 1
    most_events: int | None = None
    progress: Callable[[Topics, str, str, str], Committed | Written] = lambda topics, app, topic, _: topics.committed(
        app, topic, PARTITIONS
    )
    """Returns what tells how far it is, from the names of its group, its topic and its changelog."""

    def __str__(self) -> str:
        return f"{self.system} {self.setting} ({self.work})"


def contenders(systems: Sequence[str], works: Sequence[str], settings: Sequence[str]) -> list[Contender]:
    """Return the selected systems in a fixed order; empty `settings` selects all settings."""
    return [
        candidate
        for candidate in _ALL
        if candidate.system in systems and candidate.work in works and (not settings or candidate.setting in settings)
    ]


def _audit(topics: Topics, changelog: str, expected: Expected, key_of: Callable[[bytes], bytes] = bytes) -> str | None:
    return what_differs(latest_states(topics, changelog, key_of), expected)


def _quix_user(key: bytes) -> bytes:
    """Return the user of a key `<user>|"affinity"`."""
    return key.rsplit(b"|", 1)[0]


def _python(system: str) -> list[str]:
    return [str(python_environment(system)), str(PEERS / system / "affinity.py")]


_FAUST_WORKER = ("worker", "--loglevel=warn", "--without-web")


def _faust() -> list[str]:
    return [*_python("faust"), *_FAUST_WORKER]


def _batching() -> list[str]:
    return [sys.executable, str(PEERS / "bannerstream" / "affinity.py"), *_FAUST_WORKER]


def _worker() -> list[str]:
    return [sys.executable, str(PEERS / "bannerstream" / "worker.py")]


def _prepare_worker(place: Place) -> Mapping[str, str]:
    return worker.prepare(place.bootstrap, place.topic, place.app, place.folder)


def _kafka_streams() -> list[str]:
    # The heap holds a million users in memory beside the record cache.
    return [
        "java",
        "-XX:+UseParallelGC",
        "-Xmx4g",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        maven_classpath("kafka-streams"),
        "Affinity",
    ]


def _kafka_streams_in(setting: str, store: str, threads: int, cache_mb: int) -> Contender:
    return Contender(
        "kafka-streams",
        setting,
        "common",
        _kafka_streams,
        "{app}-affinity-changelog",
        _audit,
        {"BENCH_STORE": store, "BENCH_THREADS": str(threads), "BENCH_CACHE_MB": str(cache_mb)},
    )


def _batching_in(store: str, processes: int = 1) -> Contender:
    return Contender(
        "bannerstream",
        store if processes == 1 else f"{store}-{processes}p",
        "common",
        _batching,
        "{app}-affinity-changelog",
        _audit,
        {"BENCH_STORE": store},
        processes=processes,
    )


def _audit_pathway(topics: Topics, changelog: str, expected: Expected) -> str | None:
    return what_differs({user: state for _, user, state in insertions(topics, changelog)}, expected)


def _prepare_pathway(place: Place) -> Mapping[str, str]:
    Topics(place.bootstrap).create(f"{place.app}-affinity-changelog", PARTITIONS)
    return {}


def _pathway_in(setting: str, persisted: bool) -> Contender:
    return Contender(
        "pathway",
        setting,
        "common",
        partial(_python, "pathway"),
        "{app}-affinity-changelog",
        _audit_pathway,
        {"BENCH_PERSISTED": str(int(persisted)), "PATHWAY_THREADS": "2"},
        prepare=_prepare_pathway,
        progress=lambda topics, _app, _topic, changelog: Written(topics.bootstrap, changelog, PARTITIONS),
    )


def _worker_times(processes: int) -> Contender:
    return Contender(
        "bannerstream",
        f"{processes}-worker" + "s" * (processes > 1),
        "full",
        _worker,
        "{app}-affinity-changelog",
        worker.audit,
        prepare=_prepare_worker,
        processes=processes,
    )


_ALL = (
    _batching_in("memory"),
    _batching_in("memory", 2),
    _batching_in("rocksdb"),
    _worker_times(1),
    _worker_times(2),
    _kafka_streams_in("memory-1t", "memory", 1, 256),
    _kafka_streams_in("memory-2t", "memory", 2, 256),
    _kafka_streams_in("memory-2t-uncached", "memory", 2, 0),
    _kafka_streams_in("rocksdb-1t", "rocksdb", 1, 256),
    _kafka_streams_in("rocksdb-2t", "rocksdb", 2, 256),
    Contender(
        "quix",
        "rocksdb",
        "common",
        partial(_python, "quix"),
        "changelog__{app}--{topic}--default",
        partial(_audit, key_of=_quix_user),
    ),
    _pathway_in("memory", persisted=False),
    _pathway_in("persisted", persisted=True),
    Contender("faust", "memory", "common", _faust, "{app}-affinity-changelog", _audit, most_events=FEW_EVENTS),
    Contender("confluent", "dict", "common", partial(_python, "confluent"), "{app}-affinity-changelog", _audit),
)
SYSTEMS = tuple(dict.fromkeys(contender.system for contender in _ALL))
SETTINGS = tuple(dict.fromkeys(contender.setting for contender in _ALL))
