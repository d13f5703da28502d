"""The pure core: states, folds and decisions. No I/O, no clock, no Faust; everything is a value or a function.

May import contracts and `streams.errors`; nothing else of ours.
"""

from streams.affinity.catalogue import Catalogue
from streams.affinity.deciding import decide
from streams.affinity.folding import KIND_WEIGHTS, fold
from streams.affinity.policy import Policy
from streams.affinity.state import Affinity, Decision, UserState, pack, unpack

__all__ = [
    "KIND_WEIGHTS",
    "Affinity",
    "Catalogue",
    "Decision",
    "Policy",
    "UserState",
    "decide",
    "fold",
    "pack",
    "unpack",
]
