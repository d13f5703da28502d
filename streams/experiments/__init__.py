"""The feedback loop: what visitors did with the banners they saw decides which variant the next banner shows.

    banner.feedback ─> Tally per (cohort, variant, product) ─> changelog ─> Posterior ─> draw(…) in `streams.affinity`
                       (`app`, with its own table)          (`results`)  (`posterior`)

`intervals`, `posterior`, `report` and `tally` are pure: no I/O. The other modules read and write topics.
"""

from bannerstream.streams.experiments.intervals import Interval, wilson
from bannerstream.streams.experiments.posterior import Guard, Posterior, fit
from bannerstream.streams.experiments.tally import Tally, TallyKey, count

__all__ = ["Guard", "Interval", "Posterior", "Tally", "TallyKey", "count", "fit", "wilson"]
