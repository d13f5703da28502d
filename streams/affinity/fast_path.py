"""The common case of `fold` and `settle`, in a quarter of their time: one product is viewed, clicked or put in a cart.

Those two are the specification, and `tests/unit/streams/test_quick.py` checks that this equals them. It avoids lookups
of policy and catalogue per event, sorting what is already in order, copying the state, and reading more of the
catalogue than the visitor's products and strongest cohort. It is one function because each call would cost a tenth of
its time (`python -m bench core` shows the stages).
"""

from collections.abc import Callable
from math import exp2

from msgspec import UNSET, UnsetType
from xxhash import xxh3_64_digest

from bannerstream.contracts.inputs import PlainEvent, Source, default_kind
from bannerstream.contracts.interactions import InteractionKind
from bannerstream.streams.affinity.catalogue import Catalogue
from bannerstream.streams.affinity.decision import Draw, only_variant
from bannerstream.streams.affinity.fingerprints import append_fingerprint, seed_of
from bannerstream.streams.affinity.folding import KIND_WEIGHTS, forget_weakest, touch
from bannerstream.streams.affinity.policy import Policy
from bannerstream.streams.affinity.scores import MAX_HALVINGS
from bannerstream.streams.affinity.state import FINGERPRINT_BYTES, Decision, UserState

QuickFold = Callable[[UserState, PlainEvent, int, int, bytes], bool]


def quick_fold(  # noqa: C901, PLR0915  (one function: see above)
    source: Source, topic: str, catalogue: Catalogue, policy: Policy, draw: Draw = only_variant
) -> QuickFold:
    """Return a function of (state, event, event time, offset, user key) that folds the common case, and decides.

    It returns False, and leaves the state unchanged, if this is not the common case: then call `fold` and `settle`. The
    state's epoch has grown if a decision was taken.
    """
    kinds: dict[InteractionKind | UnsetType, InteractionKind] = {
        UNSET: default_kind(source),
        **{kind: kind for kind in InteractionKind},
    }
    weights = {given: KIND_WEIGHTS[kind] for given, kind in kinds.items() if kind is not InteractionKind.PURCHASE}
    products, banner_fingerprints, current_fingerprints = (
        catalogue.all_memberships,
        catalogue.banner_fingerprints,
        catalogue.current_fingerprints,
    )
    half_life, limit, min_interval = policy.half_life_ms, MAX_HALVINGS * policy.half_life_ms, policy.min_interval_ms
    max_cohorts, max_products, window = policy.max_cohorts, policy.products_per_user, policy.duplicate_window
    to_beat = 1 + policy.margin
    full = window * FINGERPRINT_BYTES
    seed = seed_of(topic)

    def apply(  # noqa: C901, PLR0911, PLR0912, PLR0915
        state: UserState, event: PlainEvent, at: int, offset: int, key: bytes
    ) -> bool:
        offsets = state.offsets
        product_id = event.product_id
        try:  # subscripts: `get` is a call, and takes three times as long
            weight = weights[event.kind]
            memberships = products[product_id]
            applied = offsets[topic]
        except KeyError:
            return False
        landmark = state.landmark_ms
        since = at - landmark
        if offset <= applied or since > limit or state.half_life_ms != half_life or landmark == 0:
            return False
        before = state.seen_ms
        seen = since if since > before else before  # noqa: FURB136  (`max` is a call)
        purchased = state.purchased
        if purchased and min(purchased.values()) <= seen:
            return False
        recent = b""
        if window:
            fingerprint = xxh3_64_digest(event.event_id.encode(), seed)
            recent = state.recent
            if recent.find(fingerprint) >= 0:  # `in` takes twice as long
                return False
            recent = (
                recent[FINGERPRINT_BYTES:] + fingerprint
                if len(recent) == full
                else append_fingerprint(recent, fingerprint, window)
            )

        decision = state.decision
        stays = (
            decision is not None
            and seen - decision.decided_ms < min_interval
            and decision.banner_fingerprint in current_fingerprints
            and decision.product_id not in purchased
        )
        scores = state.scores if stays else state.scores.copy()
        unit = weight * exp2(since / half_life)
        for cohort_id, share in memberships.items():
            if cohort_id in scores:
                scores[cohort_id] += share * unit
            else:
                scores[cohort_id] = share * unit
        if len(scores) > max_cohorts:
            forget_weakest(scores, max_cohorts)
        touched = state.touched
        latest = since > before or not touched or (since == before and product_id >= next(reversed(touched)))

        if not stays:
            if not latest or not scores:
                return False
            if decision is None or decision.product_id in purchased:
                wish = None
            elif decision.banner_fingerprint in current_fingerprints:
                wish = decision.cohort_id
            else:
                return False
            strongest = max(scores.values())
            if wish not in scores or strongest >= scores[wish] * to_beat:
                wish = max([cohort_id for cohort_id in scores if scores[cohort_id] == strongest])
            # The last touched product of that cohort. If there is none, the slow path takes one from the shelf.
            if wish in memberships and product_id not in purchased:
                shown = product_id
            else:
                for shown in reversed(touched):
                    if shown in products and wish in products[shown] and shown not in purchased:
                        break
                else:
                    return False
                if len(touched) >= max_products and (len(touched) > max_products or shown == next(iter(touched))):
                    return False  # this event may evict it
            if decision is None or shown != decision.product_id or wish != decision.cohort_id:
                variant = draw(shown, wish, key, state.epoch + 1)
                try:
                    decision = Decision(shown, wish, banner_fingerprints[shown, wish, variant], seen, variant)
                except KeyError:
                    return False  # its first banner: hashing it may raise, and the state must stay unchanged then
                state.decision = decision
                state.epoch += 1
            state.scores = scores

        if latest:
            if product_id in touched:
                del touched[product_id]
            touched[product_id] = since
            while len(touched) > max_products:
                del touched[next(iter(touched))]
        else:
            touch(touched, product_id, since, max_products)
        state.seen_ms = seen
        offsets[topic] = offset
        state.recent = recent
        return True

    return apply
