"""The closed loop: what visitors did with the banners they saw, and which variant the next one shows because of it.

    banner.feedback ─> Tally per (cohort, variant, product) ─> changelog ─> Beliefs ─> draw(…) in `streams.affinity`
                       (`service`, a table of its own)      (`results`)  (`beliefs`)

`tally`, `beliefs` and `simulation` are pure: no I/O. The rest reads and writes topics.
"""

from bannerstream.streams.experiments.intervals import Interval, wilson
from bannerstream.streams.experiments.posterior import Beliefs, Guard, believe
from bannerstream.streams.experiments.tally import Place, Tally, count

__all__ = ["Beliefs", "Guard", "Interval", "Place", "Tally", "believe", "count", "wilson"]
