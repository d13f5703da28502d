"""A pointer is stale exactly if the visitor's banner changes."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.purger.staleness import Origin, Stale, Staleness, paths, tags
from tests.support.cdn_messages import announcement, assignment

USERS = [f"{number:032x}" for number in range(3)]
BANNERS = [f"{number:064x}" for number in range(3)]
HERE = Origin("topic", 0, 7, 1_000, b"key", 300)


@dataclass
class Purger:
    by_tag: bool
    state: Staleness = field(init=False)

    def __post_init__(self) -> None:
        self.state = Staleness(by_tag=self.by_tag)

    def assign(self, user: int, epoch: int, banner: int | None) -> tuple[set[int], set[int]]:
        stale = Stale()
        key = USERS[user]
        message = None if banner is None else assignment(key, epoch, BANNERS[banner])
        self.state.assigned(key, message, HERE, stale)
        return self._by_kind(stale)

    def announce(self, banner: int, revision: int | None) -> tuple[set[int], set[int]]:
        stale = Stale()
        key = BANNERS[banner]
        self.state.ready(key, None if revision is None else announcement(key, revision), HERE, stale)
        return self._by_kind(stale)

    @staticmethod
    def _by_kind(stale: Stale) -> tuple[set[int], set[int]]:
        return {USERS.index(key) for key in stale.users}, {BANNERS.index(key) for key in stale.banners}


@pytest.fixture(params=[True, False], ids=["by_tag", "by_path"])
def purger(request: pytest.FixtureRequest) -> Purger:
    return Purger(request.param)


def banners(purger: Purger, *numbers: int) -> set[int]:
    """Return the banners that are purged as such: none where the CDN knows no tags."""
    return set(numbers) if purger.by_tag else set()


def test_an_assigned_banner_that_is_ready_changes_the_pointer_at_once(purger: Purger) -> None:
    purger.announce(0, 1)
    assert purger.assign(0, 1, 0) == ({0}, set())


def test_a_banner_still_being_painted_changes_the_pointer_when_it_is_ready(purger: Purger) -> None:
    purger.announce(0, 1)
    purger.assign(0, 1, 0)
    assert purger.assign(0, 2, 1) == (set(), set()), "the old one stays until then"
    assert purger.announce(1, 1) == ({0}, banners(purger, 1))


def test_a_visitor_without_a_banner_may_get_another_default(purger: Purger) -> None:
    assert purger.assign(0, 1, 0) == ({0}, set())
    assert purger.assign(0, 2, 1) == ({0}, set())


def test_a_new_revision_changes_every_pointer_that_shows_the_banner(purger: Purger) -> None:
    purger.announce(0, 1)
    for user in range(3):
        purger.assign(user, 1, 0)
    purger.assign(2, 2, 1)  # not ready: still sees banner 0
    assert purger.announce(0, 2) == (set() if purger.by_tag else {0, 1, 2}, banners(purger, 0))


def test_what_is_said_again_or_too_late_changes_nothing(purger: Purger) -> None:
    purger.announce(0, 2)
    purger.announce(1, 1)
    purger.assign(0, 5, 0)
    nothing: tuple[set[int], set[int]] = (set(), set())
    assert purger.announce(0, 2) == nothing
    assert purger.announce(0, 1) == nothing
    assert purger.assign(0, 5, 0) == nothing
    assert purger.assign(0, 4, 1) == nothing
    assert purger.announce(0, 3) == (set() if purger.by_tag else {0}, banners(purger, 0)), "and is not remembered"


def test_an_erased_visitor_is_purged_and_forgotten(purger: Purger) -> None:
    purger.announce(0, 1)
    purger.assign(0, 9, 0)
    assert purger.assign(0, 0, None) == ({0}, set())
    assert len(purger.state.visitors) == 0
    assert purger.assign(0, 1, 0) == ({0}, set()), "epochs start over"


@dataclass
class Page:
    """What one visitor's pointer says, worked out the slow way."""

    epoch: int = 0
    assigned: int | None = None
    shown: tuple[int, int] | None = None


STEPS = st.one_of(
    st.tuples(st.just("assign"), st.integers(0, 2), st.integers(1, 6), st.integers(0, 2)),
    st.tuples(st.just("ready"), st.integers(0, 2), st.integers(1, 4), st.just(0)),
    st.tuples(st.just("erase"), st.integers(0, 2), st.just(0), st.just(0)),
)


@given(st.booleans(), st.lists(STEPS, max_size=40))
def test_every_change_that_is_seen_is_purged_and_nothing_else(
    by_tag: bool, steps: list[tuple[str, int, int, int]]
) -> None:
    purger = Purger(by_tag)
    pages = [Page() for _ in USERS]
    revisions: dict[int, int] = {}
    for kind, subject, number, banner in steps:
        before = [page.shown for page in pages]
        may_be_purged = set()
        if kind == "assign":
            page = pages[subject]
            if number > page.epoch:
                page.epoch, page.assigned = number, banner
                may_be_purged = {subject} if page.shown is None or banner in revisions else set()
                if banner in revisions:
                    page.shown = (banner, revisions[banner])
                elif page.shown is None:
                    before[subject] = (-1, -1)  # another default
            purged, by_banner = purger.assign(subject, number, banner)
        elif kind == "ready":
            if number > revisions.get(subject, 0):
                revisions[subject] = number
                for user, page in enumerate(pages):
                    if page.assigned == subject or (page.shown is not None and page.shown[0] == subject):
                        page.shown = (subject, number)
                        may_be_purged.add(user)
            purged, by_banner = purger.announce(subject, number)
        else:
            pages[subject] = Page()
            may_be_purged = {subject}
            purged, by_banner = purger.assign(subject, 0, None)
        gone = purged | {user for user, shown in enumerate(before) if shown is not None and shown[0] in by_banner}
        changed = {user for user, page in enumerate(pages) if page.shown != before[user]}
        assert changed <= gone
        assert purged <= may_be_purged


def test_tags_and_paths_are_those_of_the_contract() -> None:
    stale = Stale(users={USERS[1]: HERE}, banners={BANNERS[2]: HERE})
    assert tags(stale) == [(f"user-{USERS[1]}", USERS[1]), (f"banner-{BANNERS[2]}", BANNERS[2])]
    assert paths(stale.users, ["970x250"]) == [
        (f"/v1/pointers/{USERS[1]}", USERS[1]),
        (f"/v1/pointers/{USERS[1]}/970x250", USERS[1]),
    ]
    assert stale.origins([USERS[1], BANNERS[2], "unknown"]) == {HERE}
