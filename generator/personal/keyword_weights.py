"""Turns weights of preference and target into repetitions of keywords and a guidance factor. Pure.

PMG scales embeddings; repeating words has the same effect on any text encoder, and people can read it in the prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_REPEATS = 3
"""More repetitions crowd other words out of CLIP's 77 tokens and no longer change the picture."""
_CLOSER = 0.5
"""Extra guidance of a fully personal picture: keywords that are far from the setting need it to show."""


@dataclass(frozen=True, slots=True)
class WeightedKeywords:
    """Keywords in order, with repetitions."""

    words: tuple[str, ...]
    guidance_factor: float
    """Factor on the painter's guidance."""
    preference_repeats: int
    target_repeats: int


def weigh_keywords(preference: Sequence[str], target: Sequence[str], balance: float) -> WeightedKeywords:
    """Return keywords weighted by `balance`: 0 is all target, 1 all preference; no words without preference.

    The target is in the prompt anyway, so it is repeated only if it outweighs the preference.
    """
    if not 0 <= balance <= 1:
        raise ValueError(f"balance must be within 0..1, is {balance}")
    of_preference = round(_MOST_REPEATS * balance)
    of_target = round((_MOST_REPEATS - 1) * (1 - balance)) if of_preference else 0
    words = [*preference] * of_preference + [*target] * of_target
    return WeightedKeywords(tuple(words), 1 + _CLOSER * balance if of_preference else 1.0, of_preference, of_target)
