"""The tables agree with a plain model for every order of records."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from bannerstream.edge.visitor_table import BannerTable, VisitorTable
from tests.support.edge_node import assignment, ready

USERS = [f"{number:032x}" for number in (0, 1, 2**127, 2**128 - 1)]
KEYS = "abc"

steps = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), st.sampled_from(USERS), st.integers(1, 6), st.sampled_from(KEYS)),
        st.tuples(st.just("ready"), st.sampled_from(KEYS), st.integers(1, 3)),
        st.tuples(st.just("withdraw"), st.sampled_from(KEYS)),
        st.tuples(st.just("erase"), st.sampled_from(USERS)),
        st.tuples(st.just("refuse"), st.frozensets(st.sampled_from(KEYS)), st.frozensets(st.sampled_from(KEYS))),
    ),
    max_size=40,
)


@dataclass
class Model:
    """What the tables should say, said slowly."""

    ready: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, tuple[int, str]] = field(default_factory=dict)
    shown: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    withheld: frozenset[str] = frozenset()

    def sees(self, user: str) -> tuple[int, str] | None:
        _, assigned = self.assigned.get(user, (0, ""))
        shown = self.shown.get(user)
        if shown is None or assigned in self.withheld or (assigned in self.refused and assigned not in self.ready):
            return None
        return shown if shown[1] in self.ready and shown[1] not in self.withheld else None

    def settle(self) -> None:
        for user, (epoch, key) in self.assigned.items():
            if key in self.ready:
                self.shown[user] = (epoch, key)

    def apply(self, step: tuple) -> None:  # type: ignore[type-arg]
        match step:
            case ("assign", user, epoch, key):
                if epoch > self.assigned.get(user, (0, ""))[0]:
                    self.assigned[user] = (epoch, key)
            case ("ready", key, revision):
                self.ready[key] = max(revision, self.ready.get(key, 0))
            case ("withdraw", key):
                self.ready.pop(key, None)
            case ("erase", user):
                self.assigned.pop(user, None)
                self.shown.pop(user, None)
            case ("refuse", refused, withheld):
                self.refused, self.withheld = refused, withheld
        self.settle()


def apply(step: tuple, banners: BannerTable, visitors: VisitorTable) -> bool:  # type: ignore[type-arg]
    """Apply a step to the tables; return whether it may change what a visitor sees."""
    match step:
        case ("assign", user, epoch, key):
            return visitors.assign(user, assignment(user, epoch, key))
        case ("ready", key, revision):
            number, _ = banners.announce(ready(key, revision=revision))
            list(visitors.settle(number))
        case ("withdraw", key):
            banners.withdraw(key * 64)
        case ("erase", user):
            visitors.erase(user)
        case ("refuse", refused, withheld):
            banners.refuse({f"product-{key}" for key in refused}, {f"product-{key}" for key in withheld})
    return True


@given(steps)
def test_each_visitor_sees_the_newest_assignment_that_was_ready(taken: list[tuple]) -> None:  # type: ignore[type-arg]
    banners, model = BannerTable(), Model()
    visitors = VisitorTable(banners)
    for step in taken:
        before = {user: visitors.shown(user) for user in USERS}
        may_change = apply(step, banners, visitors)
        model.apply(step)
        if step[0] == "assign" and not may_change:
            assert {user: visitors.shown(user) for user in USERS} == before
    assert len(visitors) == len(model.assigned)
    assert banners.ready_count == len(model.ready)
    for user in USERS:
        shown, expected = visitors.shown(user), model.sees(user)
        if expected is None:
            assert shown is None
            continue
        assert shown is not None
        banner = banners.banner(shown.number)
        assert banner is not None
        assert (shown.epoch, banner.key, banner.revision) == (
            expected[0],
            expected[1] * 64,
            model.ready[expected[1]],
        )


def test_a_newer_epoch_never_gives_way_to_an_older_one() -> None:
    banners = BannerTable()
    visitors = VisitorTable(banners)
    for key in "ab":
        banners.announce(ready(key))
    user = USERS[0]
    assert visitors.assign(user, assignment(user, 5, "a"))
    assert not visitors.assign(user, assignment(user, 4, "b"))
    assert not visitors.assign(user, assignment(user, 5, "b"))
    shown = visitors.shown(user)
    assert shown is not None
    assert shown.epoch == 5
    visitors.erase(user)
    assert visitors.assign(user, assignment(user, 1, "b")), "who comes back after an erasure begins at 1"


def test_the_previous_banner_stays_until_the_next_is_ready() -> None:
    banners = BannerTable()
    visitors = VisitorTable(banners)
    user, other = USERS[:2]
    banners.announce(ready("a"))
    visitors.assign(user, assignment(user, 1, "a"))
    assert not visitors.assign(user, assignment(user, 2, "b", "bakers")), "what was shown before stays"
    assert visitors.assign(other, assignment(other, 1, "c")), "the default is now that of a cohort"
    assert not visitors.assign(other, assignment(other, 2, "b")), "of the same one, still"
    shown = visitors.shown(user)
    assert shown is not None
    assert shown.epoch == 1
    number, changed = banners.announce(ready("b"))
    assert changed
    assert set(visitors.settle(number)) == {user, other}
    shown = visitors.shown(user)
    assert shown is not None
    assert shown.epoch == 2


def test_an_older_revision_does_not_replace_a_newer_one() -> None:
    banners = BannerTable()
    number, _ = banners.announce(ready("a", revision=2, engine="diffusers"))
    assert banners.announce(ready("a", revision=1)) == (number, False)
    banner = banners.banner(number)
    assert banner is not None
    assert (banner.revision, banner.tier) == (2, "diffusers")


def test_slots_of_the_erased_are_used_again_and_say_nothing_of_them() -> None:
    banners = BannerTable()
    visitors = VisitorTable(banners)
    banners.announce(ready("a"))
    for round_ in range(3):
        user = USERS[round_]
        visitors.assign(user, assignment(user, 9, "a"))
        assert visitors.shown(user) is not None
        visitors.erase(user)
    fresh = USERS[3]
    assert visitors.assign(fresh, assignment(fresh, 1, "b")), "not even their cohort"
    assert visitors.shown(fresh) is None


def test_a_default_is_never_of_a_product_that_is_withheld() -> None:
    banners = BannerTable()
    for key in "abc":
        banners.announce(ready(key))
    assert named(banners, banners.default_of("cooks")) == "c"
    banners.refuse(set(), {"product-c", "product-b"})
    assert named(banners, banners.default_of("cooks")) == "a"
    banners.refuse({"product-a"}, {"product-b", "product-c"})
    assert named(banners, banners.default_of("cooks")) == "a", "it is there, and no gate objects"
    banners.refuse(set(), {"product-a", "product-b", "product-c"})
    assert banners.default_of("cooks") is None
    banners.refuse(set(), set())
    assert named(banners, banners.default_of("cooks")) == "c"


def named(banners: BannerTable, number: int | None) -> str:
    assert number is not None
    banner = banners.banner(number)
    assert banner is not None
    return (banner.key or "")[0]
