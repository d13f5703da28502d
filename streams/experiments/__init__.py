"""The closed loop: what visitors did with the banners they saw, and which variant the next one shows because of it.

    banner.feedback ─> Tally per (cohort, variant, product) ─> changelog ─> Posterior ─> draw(…) in `streams.affinity`
                       (`service`, a table of its own)      (`results`)  (`posterior`)

`tally`, `posterior` and `simulation` are pure: no I/O. The rest reads and writes topics.
"""

from bannerstream.streams.experiments.intervals import Interval, wilson
from bannerstream.streams.experiments.posterior import Guard, Posterior, fit
from bannerstream.streams.experiments.tally import Tally, TallyKey, count

__all__ = ["Guard", "Interval", "Posterior", "Tally", "TallyKey", "count", "fit", "wilson"]
