"""Every metric of experiments: draws, in the streams worker, and feedback, in the experiments worker."""

from collections import Counter as Tallied
from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, Counter

from bannerstream.contracts.messages import Feedback

OTHER = "other"
"""Label of feedback on a variant that is no longer tried: anybody can send any name, and each would be a new series."""


class DrawMetrics:
    """Counts the variants drawn for decisions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.draws = Counter(
            "bannerstream_experiment_draws",
            "Variants drawn for decisions; why: explored (equal chance), believed (posterior), only (one allowed)",
            ["variant", "why"],
            registry=registry,
        )


class ExperimentMetrics:
    """Counters of the experiments worker. Only the tried `variants` become label values."""

    def __init__(self, registry: CollectorRegistry, variants: Collection[str]) -> None:
        self._variants = frozenset(variants)
        self.feedback = Counter(
            "bannerstream_experiment_feedback", "Feedback records processed", ["outcome"], registry=registry
        )
        self.impressions = Counter(
            "bannerstream_experiment_impressions", "Banners seen", ["variant", "tier"], registry=registry
        )
        self.clicks = Counter(
            "bannerstream_experiment_clicks", "Banners clicked", ["variant", "tier"], registry=registry
        )

    def counted(self, feedback: Iterable[Feedback]) -> None:
        """Count impressions and clicks, by variant and by the engine that painted the banner."""
        for (kind, variant, tier), number in Tallied(map(self._labels, feedback)).items():
            metric = self.impressions if kind == "impression" else self.clicks
            metric.labels(variant, tier).inc(number)

    def _labels(self, feedback: Feedback) -> tuple[str, str, str]:
        variant = feedback.variant if feedback.variant in self._variants else OTHER
        return feedback.kind, variant, feedback.engine or OTHER
