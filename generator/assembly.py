"""Assembles the pipeline from the settings. Models load here, and nowhere earlier."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.sizes import SIZES, BannerSize
from bannerstream.generator import layout
from bannerstream.generator.copywriting import TemplateCopyWriter
from bannerstream.generator.describers.kept_describer import KeptDescriber
from bannerstream.generator.describers.lexicon import LexiconDescriber
from bannerstream.generator.gates.judge import GateJudge
from bannerstream.generator.gates.screening import ProductScreen, ScreenedDescriber
from bannerstream.generator.gates.words import BlockedWords
from bannerstream.generator.metrics import GeneratorMetrics
from bannerstream.generator.painters.custom import load_custom_painter
from bannerstream.generator.personal import PersonalPainter
from bannerstream.generator.personal.keywords import KeywordWriter, ListedKeywords
from bannerstream.generator.personal.likeness import Likeness
from bannerstream.generator.pipeline.composer import Composer
from bannerstream.generator.pipeline.encoder import encode
from bannerstream.generator.pipeline.pipeline import Pipeline
from bannerstream.generator.pipeline.ports import BannerStore, BatchPainter, Describer, NudityClassifier, Painter
from bannerstream.generator.serving.budget import ImageBudget
from bannerstream.generator.serving.model_slot import ModelSlot
from bannerstream.generator.serving.paint_server import PaintServer
from bannerstream.generator.serving.supervised import SupervisedModel
from bannerstream.generator.serving.supervised_text import SupervisedDescriber, SupervisedKeywords
from bannerstream.generator.serving.supervised_vision import SupervisedLikeness, SupervisedNudity
from bannerstream.generator.serving.warm_up import warm, warm_up_scenes
from bannerstream.generator.studio import StudioPainter
from bannerstream.service.health import Health
from bannerstream.settings import GeneratorSettings

if TYPE_CHECKING:
    from bannerstream.generator.describers.transformers import TransformersDescriber


class Models:
    """The models that the settings name. Each loads on first use, once, whatever number of composers share it."""

    def __init__(
        self, settings: GeneratorSettings, metrics: GeneratorMetrics | None = None, health: Health | None = None
    ) -> None:
        self.settings = settings
        self.metrics = metrics or GeneratorMetrics(CollectorRegistry())
        self.health = health or Health()
        self._describer = ModelSlot("describer", lambda: _load_describer(settings))
        self._painter = ModelSlot("painter", lambda: _load_painter(settings))
        self._likeness = ModelSlot("likeness", lambda: _load_likeness(settings))
        self._classifier = ModelSlot("classifier", lambda: _load_classifier(settings))

    def describer(self) -> "SupervisedModel[TransformersDescriber]":
        """Return the language model."""
        return self._describer.supervised(self.settings, self.metrics, self.health)

    def likeness(self) -> SupervisedLikeness[Likeness]:
        """Return the model that compares pictures with words."""
        return SupervisedLikeness(self._likeness.supervised(self.settings, self.metrics, self.health))

    def nudity(self) -> SupervisedNudity[NudityClassifier] | None:
        """Return the nudity classifier, or None where the settings name none."""
        if self.settings.gates.nudity_model is None:
            return None
        return SupervisedNudity(self._classifier.supervised(self.settings, self.metrics, self.health))

    def painter(self, sizes: Sequence[BannerSize], *, warm_up: bool) -> PaintServer:
        """Return the painter behind a server that forms its batches; with `warm_up`, warm for these sizes.

        Raises:
            PaintingFailed: with `warm_up`, the model cannot paint.
        """
        settings = self.settings
        warming = partial(warm, scenes=warm_up_scenes(sizes), batches=_warm_batches(settings)) if warm_up else None
        return PaintServer(
            self._painter.supervised(settings, self.metrics, self.health, warm=warming),
            max_batch_size=settings.images_together,
            wait_s=settings.batch_wait_s,
            callers=settings.batches_in_flight,
            metrics=self.metrics,
        )


def build_pipeline(
    settings: GeneratorSettings, store: BannerStore, metrics: GeneratorMetrics | None = None
) -> Pipeline:
    """Return the pipeline of these settings around a store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is missing.
        PaintingFailed: the model is loaded and cannot paint.
    """
    models = Models(settings, metrics)
    executor = ThreadPoolExecutor(settings.encode_workers, thread_name_prefix="finish")
    return Pipeline(
        build_composer(settings, executor, models=models, store=store, warm_up=settings.warm_up),
        store,
        executor,
        now=lambda: time.time_ns() // 1_000_000,
        preview_composer=_preview_composer(settings, executor, models),
        health=models.health,
        screen=ProductScreen(_blocked_words(settings), models.nudity(), threshold=settings.gates.nudity_threshold),
    )


def build_composer(
    settings: GeneratorSettings,
    executor: Executor,
    sizes: Sequence[BannerSize] = SIZES,
    *,
    models: Models | None = None,
    store: BannerStore | None = None,
    warm_up: bool = False,
) -> Composer:
    """Return the composer of these settings; `store` keeps descriptions, where there is one.

    `models` holds the settings' models, where another composer may have loaded them already.

    Raises:
        ConfigurationError: a model cannot be loaded, the device is missing, or the budget has no room for a banner.
        PaintingFailed: with `warm_up`, the model is loaded and cannot paint.
    """
    models = models or Models(settings)
    gates, words = settings.gates, _blocked_words(settings)
    judge = GateJudge(models.nudity(), nudity_threshold=gates.nudity_threshold, most_skin=gates.most_skin)
    lexicon, studio = LexiconDescriber(), StudioPainter()
    language = models.describer() if settings.describer == "transformers" else None
    painter: Painter = studio if settings.painter == "studio" else models.painter(sizes, warm_up=warm_up)
    likeness = None if settings.personal_model is None else models.likeness()
    candidates = settings.personal_candidates if settings.personal and likeness is not None else 1
    describer: Describer = lexicon if language is None else SupervisedDescriber(language)
    if store is not None:
        describer = KeptDescriber(describer, store, executor)
    return Composer(
        # Screening wraps the kept descriptions: a list of words that grows also holds for descriptions kept before.
        describer=describer if language is None else ScreenedDescriber(describer, lexicon, words),
        fallback_describer=lexicon,
        copy_writer=TemplateCopyWriter(),
        painter=_personal(settings, painter, language, likeness) if settings.personal else painter,
        fallback_painter=studio if settings.painter != "studio" else None,
        layout=layout,
        judge=judge,
        encoder=encode,
        executor=executor,
        sizes=sizes,
        # A model is faster in batches. The studio is not; one banner at a time leaves the other cores to later stages.
        paint_batch_size=settings.batch_size if settings.painter != "studio" else 1,
        budget=_budget(settings, candidates * len(sizes)),
        candidates=candidates,
    )


def _preview_composer(settings: GeneratorSettings, executor: Executor, models: Models) -> Composer | None:
    """Return the composer of previews, where the settings want them. Previews use no model but the gates'."""
    if settings.painter == "studio":
        # Previews would wait for a model's description, and a description of the lexicon's would give another picture.
        first = [size for size in SIZES if size.name in settings.first_sizes and settings.describer == "lexicon"]
        return build_composer(settings, executor, first, models=models) if first else None
    if not settings.progressive:
        return None
    # Every size: where the model cannot paint, the preview stays.
    without_models = {"describer": "lexicon", "painter": "studio", "personal": 0.0, "personal_model": None}
    return build_composer(settings.model_copy(update=without_models), executor, models=models)


def _blocked_words(settings: GeneratorSettings) -> BlockedWords:
    """Return the shop's list.

    Raises:
        ConfigurationError: the list cannot be read.
    """
    path = settings.gates.blocked_words
    return BlockedWords(()) if path is None else BlockedWords.read(path)


def _budget(settings: GeneratorSettings, pictures_per_banner: int) -> ImageBudget | None:
    """Return the model's budget; the studio, which paints what exceeds it, has none.

    Raises:
        ConfigurationError: the budget has no room for a single banner.
    """
    if settings.painter == "studio":
        return None
    for name in ("images_per_minute", "images_per_hour"):
        if 0 < (limit := getattr(settings, name)) < pictures_per_banner:
            raise ConfigurationError(
                f"generator.{name} = {limit} leaves no room for one banner of {pictures_per_banner} pictures: raise "
                'it, lower generator.personal_candidates, or set generator.painter = "studio"'
            )
    return ImageBudget(per_minute=settings.images_per_minute, per_hour=settings.images_per_hour)


def _personal(
    settings: GeneratorSettings,
    painter: Painter,
    language: "SupervisedModel[TransformersDescriber] | None",
    likeness: Likeness | None,
) -> PersonalPainter:
    """Return the painter in each cohort's own style; the describing language model writes keywords, if there is one."""
    keywords: KeywordWriter = ListedKeywords() if language is None else SupervisedKeywords(language)
    return PersonalPainter(
        painter,
        keywords,
        likeness,
        alpha=settings.personal,
        candidates=settings.personal_candidates,
        whole=settings.painter == "diffusers" and settings.painter_mode == "whole",
    )


def _load_describer(settings: GeneratorSettings) -> "TransformersDescriber":
    from bannerstream.generator.describers.transformers import TransformersDescriber  # noqa: PLC0415  (torch loads only with a model)

    assert settings.describer_model is not None  # the caller has checked
    return TransformersDescriber(settings.describer_model, device=settings.device, mode=settings.describer_mode)


def _load_painter(settings: GeneratorSettings) -> BatchPainter:
    if ":" in settings.painter:
        return load_custom_painter(settings)
    from bannerstream.generator.diffusion import DiffusersPainter  # noqa: PLC0415  (torch loads only with a model)
    from bannerstream.generator.postprocess import Finisher  # noqa: PLC0415

    assert settings.painter_model is not None  # the caller has checked
    return DiffusersPainter(
        settings.painter_model,
        mode=settings.painter_mode,
        num_inference_steps=settings.painter_steps,
        guidance_scale=settings.painter_guidance,
        device=settings.device,
        diffusion=settings.diffusion,
        fit=Finisher(settings.postprocess, settings.painter_mode),
    )


def _load_likeness(settings: GeneratorSettings) -> Likeness:
    from bannerstream.generator.personal.likeness import ClipLikeness  # noqa: PLC0415  (torch loads only with a model)

    assert settings.personal_model is not None  # the caller has checked
    return ClipLikeness(settings.personal_model, device=settings.device)


def _load_classifier(settings: GeneratorSettings) -> NudityClassifier:
    from bannerstream.generator.gates.nudity import TransformersNudity  # noqa: PLC0415  (torch loads only with a model)

    assert settings.gates.nudity_model is not None  # the caller has checked
    return TransformersNudity(settings.gates.nudity_model, device=settings.device)


def _warm_batches(settings: GeneratorSettings) -> tuple[int, ...]:
    """Return the batch sizes to warm up with: one picture and, where the model is compiled, the largest batch too.

    `torch.compile` makes one program for one picture and, at the first batch of another size, a second for any number
    from two on: after batches of 1 and 5 in three shapes, no batch of 2, 3 or 4 was compiled (torch 2.15, a tiny Stable
    Diffusion). The second program comes from the largest batch: what it assumes of sizes holds for smaller ones.
    """
    return (1, settings.images_together) if settings.diffusion.compile and settings.images_together > 1 else (1,)
