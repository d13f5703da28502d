"""Puts the pipeline together as the settings say. Models load here, and nowhere earlier."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.sizes import SIZES, BannerSize
from generator import layout
from generator.composing import Composer
from generator.copywriting import TemplateCopyWriter
from generator.describers.keeping import KeptDescriber
from generator.describers.lexicon import LexiconDescriber
from generator.encoding import encode
from generator.gates import GateJudge
from generator.personal import PersonalPainter
from generator.personal.likeness import Likeness
from generator.personal.styles import KeywordWriter, ListedKeywords
from generator.pipeline import Pipeline
from generator.ports import BannerStore, Describer, Painter
from generator.studio import StudioPainter
from settings import GeneratorSettings

if TYPE_CHECKING:
    from generator.describers.transformers import TransformersDescriber


def build_pipeline(settings: GeneratorSettings, store: BannerStore) -> Pipeline:
    """Return the pipeline of these settings around a store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
    """
    executor = ThreadPoolExecutor(settings.encode_workers, thread_name_prefix="finish")
    composer = build_composer(settings, executor, keep=lambda describer: KeptDescriber(describer, store, executor))
    return Pipeline(composer, store, executor, now=lambda: time.time_ns() // 1_000_000)


def build_composer(
    settings: GeneratorSettings,
    executor: Executor,
    sizes: Sequence[BannerSize] = SIZES,
    *,
    keep: Callable[[Describer], Describer] = lambda describer: describer,
    models: "Models | None" = None,
) -> Composer:
    """Return what makes banners without any store; `keep` may have descriptions kept in one.

    `models` are those of these settings, where they are loaded already.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
    """
    lexicon, studio = LexiconDescriber(), StudioPainter()
    models = models or load_models(settings)
    painter = models.painter or studio
    return Composer(
        describer=keep(models.describer or lexicon),
        describer_understudy=lexicon,
        copy_writer=TemplateCopyWriter(),
        painter=_personal(settings, painter, models) if settings.personal else painter,
        understudy=studio if settings.painter != "studio" else None,
        layout=layout,
        judge=GateJudge(),
        encoder=encode,
        executor=executor,
        sizes=sizes,
        # A model is quicker in batches; the studio is not, and alone it leaves the other cores to what comes after it.
        painted_together=settings.batch_size if settings.painter == "diffusers" else 1,
    )


@dataclass(frozen=True, slots=True)
class Models:
    """What takes long to load; None where the settings do without."""

    describer: "TransformersDescriber | None"
    painter: Painter | None
    likeness: Likeness | None


def load_models(settings: GeneratorSettings) -> Models:
    """Load every model that these settings name.

    Raises:
        ConfigurationError: one cannot be loaded, or the device is not there.
    """
    return Models(_language_model(settings), _painter(settings), _likeness(settings))


def _language_model(settings: GeneratorSettings) -> "TransformersDescriber | None":
    """Return the language model that was asked for, if one was."""
    if settings.describer != "transformers" or settings.describer_model is None:
        return None
    from generator.describers.transformers import TransformersDescriber  # noqa: PLC0415  (torch: only where asked for)

    return TransformersDescriber(settings.describer_model, device=settings.device, mode=settings.describer_mode)


def _personal(settings: GeneratorSettings, painter: Painter, models: Models) -> PersonalPainter:
    """Return the painter in cohorts' own styles: keywords from the language model that describes, if there is one."""
    keywords: KeywordWriter = ListedKeywords()
    if models.describer is not None:
        from generator.personal.model_keywords import ModelKeywords  # noqa: PLC0415  (torch: only where asked for)

        keywords = ModelKeywords(models.describer.model)
    return PersonalPainter(
        painter,
        keywords,
        models.likeness,
        alpha=settings.personal,
        candidates=settings.personal_candidates,
        whole=settings.painter == "diffusers" and settings.painter_mode == "whole",
    )


def _likeness(settings: GeneratorSettings) -> Likeness | None:
    """Return the image-text model that was asked for, if one was."""
    if settings.personal_model is None:
        return None
    from generator.personal.likeness import ClipLikeness  # noqa: PLC0415  (torch: only where asked for)

    return ClipLikeness(settings.personal_model, device=settings.device)


def _painter(settings: GeneratorSettings) -> Painter | None:
    """Return the diffusion model that was asked for, if one was."""
    if settings.painter != "diffusers" or settings.painter_model is None:
        return None
    from generator.diffusion import DiffusersPainter  # noqa: PLC0415  (torch: only where asked for)

    return DiffusersPainter(
        settings.painter_model,
        mode=settings.painter_mode,
        steps=settings.painter_steps,
        guidance=settings.painter_guidance,
        device=settings.device,
    )
