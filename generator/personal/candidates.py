"""Best of N: the painting that fits both cohort and product best (PMG, arXiv 2404.08677, eq. 7). Pure."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

_SPREAD = 0.3
"""How far candidates' weights deviate from alpha: PMG searches over weights and finds the best one near alpha."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Seed and weight of one attempt at a picture."""

    seed: int
    balance: float
    """Weight of the preference, 0..1."""


def candidates_around(seed: int, alpha: float, count: int) -> list[Candidate]:
    """Return the candidates to paint: the requested one first, then other seeds with weights around alpha."""
    offsets = [0.0] + [
        _SPREAD * (1 if number % 2 else -1) * ((number + 1) // 2) / max(1, count // 2) for number in range(1, count)
    ]
    return [
        Candidate(seed if number == 0 else _seed(seed, number), min(1.0, max(0.0, alpha + offset)) if alpha else 0.0)
        for number, offset in enumerate(offsets)
    ]


def compared_with(preference: Sequence[str], target: Sequence[str]) -> list[str]:
    """Return the two texts that a picture is compared with, for d_p and for d_t."""
    return [f"a photo in the style: {', '.join(preference)}", f"a photo of {', '.join(target)}"]


def agreement(similarity: float) -> float:
    """Return a cosine similarity as a number in (0, 1] whose logarithm exists."""
    return min(1.0, max(1e-6, (1 + similarity) / 2))


def merit(preference: float, target: float, alpha: float) -> float:
    """Return z = alpha · log d_p + (1 - alpha) · log d_t of two agreements."""
    return alpha * math.log(preference) + (1 - alpha) * math.log(target)


def best_index(merits: Sequence[float]) -> int:
    """Return the index of the best; of equals the first, which is nearest to the request.

    Raises:
        ValueError: `merits` is empty.
    """
    return max(range(len(merits)), key=merits.__getitem__)


def _seed(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"personal:{seed}:{number}".encode()).digest()[:4]) >> 1
