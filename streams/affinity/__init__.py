"""The pure core: states, folds and decisions. No I/O, no clock, no Faust: only values and functions.

May import contracts and `streams.errors`, and no other room.
"""

from bannerstream.streams.affinity.catalogue import FAVOURITES, Catalogue
from bannerstream.streams.affinity.decision import decide, settle
from bannerstream.streams.affinity.folding import KIND_WEIGHTS, fold
from bannerstream.streams.affinity.policy import Policy
from bannerstream.streams.affinity.state import Decision, UserState, pack, seen_at_ms_of, unpack

__all__ = [
    "FAVOURITES",
    "KIND_WEIGHTS",
    "Catalogue",
    "Decision",
    "Policy",
    "UserState",
    "decide",
    "fold",
    "pack",
    "seen_at_ms_of",
    "settle",
    "unpack",
]
