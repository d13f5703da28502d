"""Puts the pipeline together as the settings say. Models load here, and nowhere earlier."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from prometheus_client import CollectorRegistry

from contracts.sizes import SIZES, BannerSize
from generator import layout
from generator.composing import Composer
from generator.copywriting import TemplateCopyWriter
from generator.describers.lexicon import LexiconDescriber
from generator.encoding import encode
from generator.gates import GateJudge
from generator.metrics import GeneratorMetrics
from generator.own_painters import painter_of
from generator.pipeline import Pipeline
from generator.ports import BannerStore, BatchPainter, Describer
from generator.serving.budget import ImageBudget
from generator.serving.describing import SupervisedDescriber
from generator.serving.health import Health
from generator.serving.painting import PaintServer, warm
from generator.serving.supervised import Model, SupervisedModel
from generator.serving.warming import warm_up_wishes
from generator.studio import StudioPainter
from settings import GeneratorSettings


def build_pipeline(
    settings: GeneratorSettings, store: BannerStore, metrics: GeneratorMetrics | None = None
) -> Pipeline:
    """Return the pipeline of these settings around a store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
        PaintingFailed: the model is loaded and cannot paint.
    """
    executor = ThreadPoolExecutor(settings.encode_workers, thread_name_prefix="finish")
    health = Health()
    composer = build_composer(settings, executor, metrics=metrics, health=health, warm_up=settings.warm_up)
    return Pipeline(
        composer,
        store,
        executor,
        now=lambda: time.time_ns() // 1_000_000,
        sketcher=_sketcher(settings, executor),
        health=health,
    )


def build_composer(
    settings: GeneratorSettings,
    executor: Executor,
    sizes: Sequence[BannerSize] = SIZES,
    *,
    metrics: GeneratorMetrics | None = None,
    health: Health | None = None,
    warm_up: bool = False,
) -> Composer:
    """Return what makes banners without any store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
        PaintingFailed: with `warm_up`, the model is loaded and cannot paint.
    """
    lexicon, studio = LexiconDescriber(), StudioPainter()
    metrics = metrics or GeneratorMetrics(CollectorRegistry())
    health = health or Health()
    describer = _describer(settings, metrics, health)
    painter = _painter(settings, metrics, health, sizes)
    if painter is not None and warm_up:
        painter.warm_up(warm_up_wishes(sizes))
    return Composer(
        describer=describer or lexicon,
        describer_understudy=lexicon,
        copy_writer=TemplateCopyWriter(),
        painter=painter or studio,
        understudy=studio if painter is not None else None,
        layout=layout,
        judge=GateJudge(),
        encoder=encode,
        executor=executor,
        sizes=sizes,
        # A model is quicker in batches; the studio is not, and alone it leaves the other cores to what comes after it.
        painted_together=settings.batch_size if painter is not None else 1,
        budget=ImageBudget(per_minute=settings.images_per_minute, per_hour=settings.images_per_hour),
    )


def _sketcher(settings: GeneratorSettings, executor: Executor) -> Composer | None:
    """Return what makes previews, where they are wanted: no model has a part in them."""
    if not settings.progressive or settings.painter == "studio":
        return None
    return build_composer(settings.model_copy(update={"describer": "lexicon", "painter": "studio"}), executor)


def _describer(settings: GeneratorSettings, metrics: GeneratorMetrics, health: Health) -> Describer | None:
    """Return the language model that was asked for, if one was."""
    model = settings.describer_model
    if settings.describer != "transformers" or model is None:
        return None
    from generator.describers.transformers import TransformersDescriber  # noqa: PLC0415  (torch: only where asked for)

    def load() -> Describer:
        return TransformersDescriber(model, device=settings.device)

    return SupervisedDescriber(_supervised("describer", load, load, settings=settings, metrics=metrics, health=health))


def _painter(
    settings: GeneratorSettings, metrics: GeneratorMetrics, health: Health, sizes: Sequence[BannerSize]
) -> Painter | None:
    """Return the painter that was asked for, a diffusion model ready to paint for many; None where it is the studio."""
    if ":" in settings.painter:
        return painter_of(settings)
    model = settings.painter_model
    if settings.painter != "diffusers" or model is None:
        return None
    from generator.diffusion import DiffusersPainter  # noqa: PLC0415  (torch: only where asked for)

    def load() -> BatchPainter:
        return DiffusersPainter(
            model,
            mode=settings.painter_mode,
            steps=settings.painter_steps,
            guidance=settings.painter_guidance,
            device=settings.device,
            diffusion=settings.diffusion,
        )

    def load_warm() -> BatchPainter:
        painter = load()
        if settings.warm_up:
            warm(painter, warm_up_wishes(sizes))
        return painter

    return PaintServer(
        _supervised("painter", load, load_warm, settings=settings, metrics=metrics, health=health),
        together=settings.images_together,
        wait_s=settings.batch_wait_s,
        callers=settings.batches_in_flight,
        metrics=metrics,
    )


def _supervised(
    name: str,
    load: Callable[[], Model],
    load_again: Callable[[], Model],
    *,
    settings: GeneratorSettings,
    metrics: GeneratorMetrics,
    health: Health,
) -> SupervisedModel[Model]:
    return SupervisedModel(
        name,
        load(),
        load_again,
        timeout_s=settings.step_timeout_s,
        after_hang=settings.after_hang,
        health=health,
        on_hang=metrics.hangs.labels(name).inc,
    )
