"""The example session with late events in any order: the same banners result."""

import random
from collections import defaultdict
from dataclasses import replace

import pytest
from msgspec import structs

import examples.record_session as recording
from bannerstream.broker.recordings import parse_line, read_lines
from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.inputs import decode_event
from bannerstream.contracts.interactions import Interaction, InteractionKind
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.streams.affinity import Catalogue, UserState, fold
from bannerstream.streams.affinity.decision import settle
from tests.support.shop import DAY, POLICY

RULES = replace(POLICY, min_interval_ms=0)
BUYS = 6
"""Purchases of the banner's product at the end: each reveals the next best product, and so the ranking."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    read = read_catalogue(CATALOGUE)
    return Catalogue(read.products, read.cohorts, creative_revision="1")


@pytest.fixture(scope="module")
def visitors(catalogue: Catalogue) -> list[list[Interaction]]:
    """Return the events of each sufficiently active visitor, in the order in which they happened."""
    events: dict[str, dict[str, Interaction]] = defaultdict(dict)
    for number, line in enumerate(read_lines(recording.SESSION), start=1):
        record = parse_line(line, number)
        try:
            event = decode_event(
                record.value,
                record.source,
                "auto",
                received_at=recording.RECORDED_AT + DAY,
                max_future_ms=0,
                max_age_ms=400 * DAY,
            )
        except InvalidRecord:
            continue
        if all(catalogue.memberships(each) is not None for each in event.product_ids):
            events[event.user_id][event.event_id] = event
    active = [sorted(each.values(), key=lambda event: event.occurred_at) for each in events.values() if len(each) >= 8]
    assert len(active) > 20
    return active


def shown_after(arriving: list[Interaction], catalogue: Catalogue) -> list[tuple[str, str] | None]:
    """Return the banner after these events, and after each purchase of the shown product."""
    state = UserState(RULES.half_life_ms)
    for offset, event in enumerate(arriving):
        fold(state, event, topic="clicks", offset=offset, catalogue=catalogue, policy=RULES)
    now = max(event.occurred_at for event in arriving)
    shown: list[tuple[str, str] | None] = []
    for number in range(BUYS):
        settle(state, catalogue, RULES)
        decision = state.decision
        shown.append(None if decision is None else (decision.product_id, decision.cohort_id))
        if decision is not None:
            bought = Interaction(
                event_id=f"buy-{number}",
                user_id=arriving[0].user_id,
                kind=InteractionKind.PURCHASE,
                product_ids=(decision.product_id,),
                occurred_at=now + number,
            )
            fold(state, bought, topic="purchases", offset=number, catalogue=catalogue, policy=RULES)
    return shown


@pytest.mark.parametrize("seed", range(10))
def test_events_in_any_order_of_arrival_lead_to_the_same_banners(
    seed: int, visitors: list[list[Interaction]], catalogue: Catalogue
) -> None:
    chance = random.Random(seed)
    for happened in visitors:
        arriving = chance.sample(happened, len(happened))
        assert shown_after(arriving, catalogue) == shown_after(happened, catalogue)


def test_one_event_a_month_late_lands_where_it_belongs(visitors: list[list[Interaction]], catalogue: Catalogue) -> None:
    for happened in visitors:
        first, *rest = happened
        long_ago = structs.replace(first, occurred_at=first.occurred_at - 30 * DAY)
        assert shown_after([*rest, long_ago], catalogue) == shown_after([long_ago, *rest], catalogue)


def test_the_comparison_can_tell(visitors: list[list[Interaction]], catalogue: Catalogue) -> None:
    """Events matter: without the later half of their events, most visitors see another banner."""
    different = sum(shown_after(each[: len(each) // 2], catalogue) != shown_after(each, catalogue) for each in visitors)
    assert different > len(visitors) / 2
