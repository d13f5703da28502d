import json
import runpy
import struct
from collections import Counter, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest

from bannerstream.contracts.inputs import decode_event
from bannerstream.streams.affinity import KIND_WEIGHTS
from bench import streams
from bench.arena import contenders, shop
from bench.arena.audit import latest_states, what_differs
from bench.arena.expected import expected_states
from bench.arena.workload import DISTRIBUTIONS, PARTITIONS, Workload, draw, records

START_MS = 1_790_000_000_000
EVENTS = 4_000


class Record:
    def __init__(self, key, value, offset):
        self.key, self.value, self.offset = (lambda: key), (lambda: value), (lambda: offset)


class Topics:
    """Topics in memory: for each its partitions."""

    def __init__(self, **topics):
        self._topics = topics

    def ends(self, topic):
        return [len(partition) for partition in self._topics[topic]]

    def read(self, topic, partition):
        return iter(self._topics[topic][partition])


@pytest.fixture(params=DISTRIBUTIONS)
def workload(request):
    return Workload(users=300, distribution=request.param, events=EVENTS)


@pytest.fixture
def clicks(workload):
    partitions = [[] for _ in range(PARTITIONS)]
    for key, value, number, _ in records(draw(workload, START_MS), workload.users):
        partitions[number].append(Record(key, value, len(partitions[number])))
    return partitions


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.json"
    shop.write_table(path, START_MS)
    return path


@pytest.fixture
def expected(clicks, table):
    return expected_states(Topics(clicks=clicks), "clicks", table)


@pytest.fixture
def states(clicks, table, tmp_path, monkeypatch):
    """What the peers in Python make of the events, with their own code."""
    environment = {"BOOTSTRAP": "", "TOPIC": "", "APP": "", "TABLE": str(table), "FOLDER": str(tmp_path)}
    for name, value in environment.items():
        monkeypatch.setenv(f"BENCH_{name}", value)
    work = SimpleNamespace(**runpy.run_path(str(contenders.PEERS / "work.py")))
    states = {}
    for record in (each for partition in clicks for each in partition):
        event = json.loads(record.value())
        key = record.key()
        states[key] = work.fold(states.get(key), event["product_id"], event["kind"], event["time"], record.offset())
    return states


def test_every_event_is_a_valid_one_of_the_product(workload):
    products = {each.product_id for each in shop.products()}
    for key, value, _, at in records(draw(workload, START_MS), workload.users):
        event = decode_event(value, "clicks", "auto", received_at=at, max_future_ms=1, max_age_ms=1)
        assert event.user_id.encode() == key
        assert event.occurred_at == at
        assert set(event.product_ids) <= products


def test_event_ids_are_unique_and_times_advance_as_at_100_000_a_second(workload):
    events = [json.loads(value) for _, value, _, _ in records(draw(workload, START_MS), workload.users)]
    assert len({each["event_id"] for each in events}) == EVENTS
    assert events[0]["time"] == START_MS
    assert [each["time"] for each in events] == sorted(each["time"] for each in events)
    assert events[-1]["time"] - START_MS == (EVENTS - 1) // 100


def test_the_same_workload_is_the_same_events(workload):
    one, other = draw(workload, START_MS), draw(workload, START_MS)
    assert np.array_equal(one.user, other.user)
    assert np.array_equal(one.product, other.product)
    assert np.array_equal(one.kind, other.kind)


def test_a_visitor_has_a_taste():
    events = draw(Workload(users=20, distribution="uniform", events=20_000), START_MS)
    cohorts = [max(each, key=each.get) for each in shop.memberships().values()]
    shares = []
    for user in range(20):
        drawn = Counter(cohorts[each] for each in events.product[events.user == user].tolist())
        shares.append(sum(count for _, count in drawn.most_common(2)) / drawn.total())
    assert np.median(shares) > 0.5  # without a taste: two of twelve, 0.17


def test_zipf_is_zipf():
    count = 200_000
    users = draw(Workload(users=1000, distribution="zipf", events=count), START_MS).user
    shares = np.arange(1, 1001) ** -1.1
    for rank in (0, 1, 9):
        wanted = count * shares[rank] / shares.sum()
        assert abs(np.count_nonzero(users == rank) - wanted) < 6 * wanted**0.5


def test_the_table_says_what_the_catalogue_says(table):
    facts = json.loads(table.read_bytes())
    assert facts["kind_weights"] == {kind: KIND_WEIGHTS[kind] for kind in facts["kind_weights"]}
    assert facts["cohorts"] == [each.cohort_id for each in shop.cohorts()]
    for product in shop.products():
        pairs = facts["products"][product.product_id]
        assert {facts["cohorts"][cohort]: weight for cohort, weight in pairs} == product.cohorts


def test_the_offline_computation_is_the_definition(clicks, table, expected):
    facts = json.loads(table.read_bytes())
    scores, products, offsets = defaultdict(lambda: [0.0] * 12), defaultdict(list), {}
    for record in (each for partition in clicks for each in partition):
        event = json.loads(record.value())
        decay = 2.0 ** ((event["time"] - facts["landmark_ms"]) / facts["half_life_ms"])
        for cohort, weight in facts["products"][event["product_id"]]:
            scores[record.key()][cohort] += facts["kind_weights"][event["kind"]] * weight * decay
        products[record.key()].append(event["product_id"])
        offsets[record.key()] = record.offset()
    assert expected.rows.keys() == scores.keys()
    for user, row in expected.rows.items():
        assert expected.offsets[row] == offsets[user]
        assert expected.products[row] == "\n".join(products[user][-5:]).encode()
        assert expected.scores[row] == pytest.approx(scores[user], rel=1e-12)


def test_what_the_peers_in_python_make_of_the_events_is_right(states, expected):
    assert what_differs(states, expected) is None


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        pytest.param(lambda _: None, "1 users are missing", id="a user is missing"),
        pytest.param(lambda packed: struct.pack("<q", 10**6) + packed[8:], "last offsets", id="another offset"),
        pytest.param(lambda packed: packed[:8] + bytes(8 * 12) + packed[104:], "scores are wrong", id="scores lost"),
        pytest.param(lambda packed: packed[:104] + packed[104:][::-1], "last products", id="products in another order"),
        pytest.param(lambda packed: packed[:50], "is not a state", id="cut off"),
    ],
)
def test_a_wrong_state_is_found(states, expected, spoil, found):
    user = sorted(states)[7]
    spoiled = {each: spoil(packed) if each == user else packed for each, packed in states.items()}
    difference = what_differs({each: packed for each, packed in spoiled.items() if packed is not None}, expected)
    assert difference is not None
    assert found in difference


def test_one_event_too_many_is_found(states, expected):
    user = max(states)
    numbers = list(struct.unpack_from("<q12d", states[user]))
    strongest = numbers.index(max(numbers[1:]), 1)
    numbers[strongest] *= 1 + 1e-8
    difference = what_differs(states | {user: struct.pack("<q12d", *numbers) + states[user][104:]}, expected)
    assert difference is not None
    assert "1 scores are wrong" in difference


def test_the_latest_record_of_a_key_is_its_state():
    log = [[Record(b"a|x", b"1", 0), Record(b"a|x", b"2", 1)], [Record(b"b|x", b"3", 0), Record(b"mark", b"", 1)]]
    user_of = {b"a|x": b"a", b"b|x": b"b"}.get
    assert latest_states(Topics(log=log), "log", user_of) == {b"a": b"2", b"b": b"3"}


def test_systems_settings_and_work_choose_who_runs():
    chosen = contenders.contenders(["kafka-streams", "quix"], ["common"], ["memory-2t", "rocksdb"])
    assert [(each.system, each.setting) for each in chosen] == [("kafka-streams", "memory-2t"), ("quix", "rocksdb")]
    assert {each.system for each in contenders.contenders(contenders.SYSTEMS, ["common"], [])} == set(
        contenders.SYSTEMS
    )
    assert {each.system for each in contenders.contenders(contenders.SYSTEMS, ["full"], [])} == {"bannerstream"}


def test_every_system_has_its_program_and_its_page_entry():
    page = (contenders.PEERS / "README.md").read_text()
    for system in contenders.SYSTEMS:
        assert (contenders.PEERS / system).is_dir()
        assert f"`{system}/`" in page


class FakeArena:
    def __init__(self):
        self.runs = []

    def run(self, contender, workload):
        self.runs.append((contender.setting, workload.events))
        if contender.setting == "rocksdb-2t":
            raise streams.RunFailed("it ended with status 1")
        return {"events_per_s": 1, "changelog_records": 1, "correct": True}


def test_systems_take_turns_and_a_failure_is_a_line_of_its_own():
    arena = FakeArena()
    chosen = contenders.contenders(["kafka-streams", "faust"], ["common"], ["rocksdb-2t", "memory-2t", "memory"])
    lines = list(streams.measure(arena, Workload(1000, "uniform", 10**6), chosen, rounds=2))
    assert arena.runs == [
        ("memory-2t", 10**6),
        ("rocksdb-2t", 10**6),
        ("memory", contenders.FEW_EVENTS),
        ("rocksdb-2t", 10**6),
        ("memory", contenders.FEW_EVENTS),
        ("memory-2t", 10**6),
    ]
    failed = [each for each in lines if each["setting"] == "rocksdb-2t"]
    assert all(each["correct"] is False and each["events_per_s"] is None for each in failed)
    assert [each["round"] for each in lines] == [1, 1, 1, 2, 2, 2]
    issue = {"bench", "system", "setting", "work", "users", "distribution", "round", "events", "events_per_s"}
    assert all(each.keys() >= issue | {"changelog_records", "correct"} for each in lines)


def test_an_unknown_system_is_refused_with_those_that_there_are(capsys):
    with pytest.raises(SystemExit):
        streams.main(["--systems", "flink"])
    assert "kafka-streams" in capsys.readouterr().err
