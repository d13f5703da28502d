"""Every metric of experiments: what is drawn, in the streams worker, and what came of it, in the worker that counts."""

from collections import Counter as Tallied
from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, Counter

from bannerstream.contracts.messages import Feedback

OTHER = "other"
"""Of feedback on a variant that is not tried any more: anybody may have named it, and each name would be a series."""


class DrawMetrics:
    """What decisions draw."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.draws = Counter(
            "bannerstream_experiment_draws",
            "Variants drawn for decisions, by why: explored (an equal chance), believed, or the only one of the brand",
            ["variant", "why"],
            registry=registry,
        )


class ExperimentMetrics:
    """What the counting worker counts. `variants` are those that are tried: no others become labels."""

    def __init__(self, registry: CollectorRegistry, variants: Collection[str]) -> None:
        self._variants = frozenset(variants)
        self.feedback = Counter(
            "bannerstream_experiment_feedback", "Feedback by what became of it", ["outcome"], registry=registry
        )
        self.impressions = Counter(
            "bannerstream_experiment_impressions", "Banners seen", ["variant", "tier"], registry=registry
        )
        self.clicks = Counter(
            "bannerstream_experiment_clicks", "Banners clicked", ["variant", "tier"], registry=registry
        )

    def counted(self, feedback: Iterable[Feedback]) -> None:
        """Count what was seen and clicked, by variant and by the engine that painted it."""
        for (kind, variant, tier), number in Tallied(map(self._labels, feedback)).items():
            metric = self.impressions if kind == "impression" else self.clicks
            metric.labels(variant, tier).inc(number)

    def _labels(self, feedback: Feedback) -> tuple[str, str, str]:
        variant = feedback.variant if feedback.variant in self._variants else OTHER
        return feedback.kind, variant, feedback.engine or OTHER
