"""What weights of preference and target become: how often keywords are said, and how closely words are followed. Pure.

PMG scales embeddings; words that are said again do the same for any text encoder, and for people who read the prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_REPEATS = 3
"""Said more often, a word crowds the others out of CLIP's 77 tokens, and the picture does not change any more."""
_CLOSER = 0.5
"""How much more guidance a wholly personal picture gets: keywords that are far from the place need it to show."""


@dataclass(frozen=True, slots=True)
class WeightedKeywords:
    """Keywords in the order and number in which they are said."""

    words: tuple[str, ...]
    guidance_factor: float
    """Factor on the painter's guidance."""
    preference_repeats: int
    target_repeats: int


def weigh_keywords(preference: Sequence[str], target: Sequence[str], balance: float) -> WeightedKeywords:
    """Return keywords weighted by `balance`: 0 is all target, 1 all preference; no words at all where nothing is asked.

    The target is in the prompt anyway, so that it is said again only where it outweighs the preference.
    """
    if not 0 <= balance <= 1:
        raise ValueError(f"balance must be within 0..1, is {balance}")
    of_preference = round(_MOST_REPEATS * balance)
    of_target = round((_MOST_REPEATS - 1) * (1 - balance)) if of_preference else 0
    words = [*preference] * of_preference + [*target] * of_target
    return WeightedKeywords(tuple(words), 1 + _CLOSER * balance if of_preference else 1.0, of_preference, of_target)
