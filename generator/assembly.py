"""Puts the pipeline together as the settings say. Models load here, and nowhere earlier."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from contracts.sizes import SIZES, BannerSize
from generator import layout
from generator.composing import Composer
from generator.copywriting import TemplateCopyWriter
from generator.describers.lexicon import LexiconDescriber
from generator.encoding import encode
from generator.gates import GateJudge
from generator.own_painters import painter_of
from generator.pipeline import Pipeline
from generator.ports import BannerStore, Describer, Painter
from generator.studio import StudioPainter
from settings import GeneratorSettings


def build_pipeline(settings: GeneratorSettings, store: BannerStore) -> Pipeline:
    """Return the pipeline of these settings around a store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
    """
    executor = ThreadPoolExecutor(settings.encode_workers, thread_name_prefix="finish")
    return Pipeline(build_composer(settings, executor), store, executor, now=lambda: time.time_ns() // 1_000_000)


def build_composer(settings: GeneratorSettings, executor: Executor, sizes: Sequence[BannerSize] = SIZES) -> Composer:
    """Return what makes banners without any store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
    """
    lexicon, studio = LexiconDescriber(), StudioPainter()
    return Composer(
        describer=_describer(settings) or lexicon,
        describer_understudy=lexicon,
        copy_writer=TemplateCopyWriter(),
        painter=_painter(settings) or studio,
        understudy=studio if settings.painter != "studio" else None,
        layout=layout,
        judge=GateJudge(),
        encoder=encode,
        executor=executor,
        sizes=sizes,
        # A model is quicker in batches; the studio is not, and alone it leaves the other cores to what comes after it.
        painted_together=settings.batch_size if settings.painter == "diffusers" else 1,
    )


def _describer(settings: GeneratorSettings) -> Describer | None:
    """Return the language model that was asked for, if one was."""
    if settings.describer != "transformers" or settings.describer_model is None:
        return None
    from generator.describers.transformers import TransformersDescriber  # noqa: PLC0415  (torch: only where asked for)

    return TransformersDescriber(settings.describer_model, device=settings.device)


def _painter(settings: GeneratorSettings) -> Painter | None:
    """Return the painter that was asked for, None where that is the studio."""
    if ":" in settings.painter:
        return painter_of(settings)
    if settings.painter != "diffusers" or settings.painter_model is None:
        return None
    from generator.diffusion import DiffusersPainter  # noqa: PLC0415  (torch: only where asked for)

    return DiffusersPainter(
        settings.painter_model,
        mode=settings.painter_mode,
        steps=settings.painter_steps,
        guidance=settings.painter_guidance,
        device=settings.device,
        diffusion=settings.diffusion,
    )
