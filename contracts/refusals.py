"""Which products can have no banner, as far as generators have found: the reader's side of `banner.refusals`."""

from collections.abc import Mapping

from bannerstream.contracts.keys import refusal_key
from bannerstream.contracts.messages import ALL_LOCALES, Refusal

GATE_CODES = frozenset({"words", "picture"})
"""Codes of gates: such a product must not be shown, not even on a banner that was made before."""


def refusal_of(refusals: Mapping[str, Refusal], product_id: str, rev: str, locale: str) -> Refusal | None:
    """Return the refusal that holds for this revision of a product in this locale, or None.

    `refusals` maps `contracts.keys.refusal_key` to the newest refusal under that key.
    """
    for scope in (ALL_LOCALES, locale):
        refusal = refusals.get(refusal_key(product_id, scope))
        if refusal is not None and refusal.rev == rev:
            return refusal
    return None
