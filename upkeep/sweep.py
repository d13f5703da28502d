"""One sweep from reading the pointers to looking once more: see `upkeep.sweeper` for the order and why it is safe."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from bannerstream.upkeep.pace import Pace
from bannerstream.upkeep.pointers import read_catalogue, read_pointers
from bannerstream.upkeep.repairs import repair
from bannerstream.upkeep.sweep_plan import Ages, SweepPlan
from bannerstream.upkeep.sweeper import OnProgress, Sweeper, no_progress
from bannerstream.upkeep.withdrawals import withdraw_outdated


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """How a sweep goes about it."""

    delete: bool = False
    """Off: only look."""
    outdated: bool = False
    """Withdraw announced banners that neither a visitor nor the catalogue leads to any more."""
    ages: Ages = field(default_factory=Ages)
    at_most: float = 0.5
    """Largest share of the manifests, and of the blobs, that may be removed at once."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What nothing needs, and what was done about it."""

    plan: SweepPlan
    removed: SweepPlan | None = None
    """None: it only looked."""
    withdrawn: tuple[str, ...] = ()
    requested_again: tuple[str, ...] = ()
    """Banners that were needed again while the sweep ran."""


async def sweep(
    settings: Settings,
    store: S3BannerStore,
    options: SweepOptions,
    *,
    pace: Pace,
    now: datetime,
    on_progress: OnProgress = no_progress,
) -> SweepReport:
    """Find what nothing needs, and remove it if the options say so.

    Raises:
        SweepRefused: it would remove more than `options.at_most`; nothing was removed.
        ServiceUnavailable, ConfigurationError: broker or store do not answer, or refuse; sweep again.
    """
    kafka = settings.kafka
    sweeper = Sweeper(store, pace, now, options.ages, on_progress)
    pointers = await read_pointers(kafka)
    catalogue = await read_catalogue(kafka)
    plan = await asyncio.to_thread(
        sweeper.plan, pointers, catalogue if options.outdated else None, settings.generator.creative_revision
    )
    if not options.delete:
        return SweepReport(plan)
    plan.refuse_if_suspicious(options.at_most)
    fresh = await read_pointers(kafka)
    outdated = [banner for banner in plan.outdated if banner.banner_key not in fresh.assigned]
    await withdraw_outdated(outdated, store, kafka)
    removed = await asyncio.to_thread(sweeper.remove, plan, fresh)
    now_ready = await read_pointers(kafka)
    missed = await asyncio.to_thread(sweeper.missed, removed, now_ready)
    repairs = await repair(missed, catalogue, now_ready.ready, settings)
    return SweepReport(plan, removed, tuple(banner.banner_key for banner in outdated), tuple(repairs.requested))
