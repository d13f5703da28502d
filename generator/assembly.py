"""Puts the pipeline together as the settings say. Models load here, and nowhere earlier."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
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
from bannerstream.generator.personal.likeness import Likeness
from bannerstream.generator.personal.styles import KeywordWriter, ListedKeywords
from bannerstream.generator.pipeline.composer import Composer
from bannerstream.generator.pipeline.encoder import encode
from bannerstream.generator.pipeline.pipeline import Pipeline
from bannerstream.generator.pipeline.ports import (
    BannerStore,
    BatchPainter,
    Describer,
    Judge,
    NudityClassifier,
    Painter,
    Screen,
)
from bannerstream.generator.serving.budget import ImageBudget
from bannerstream.generator.serving.paint_server import PaintServer
from bannerstream.generator.serving.supervised import Model, SupervisedModel
from bannerstream.generator.serving.supervised_text import SupervisedDescriber, SupervisedKeywords
from bannerstream.generator.serving.supervised_vision import SupervisedLikeness, SupervisedNudity
from bannerstream.generator.serving.warm_up import warm, warm_up_scenes
from bannerstream.generator.studio import StudioPainter
from bannerstream.service.health import Health
from bannerstream.settings import GeneratorSettings

if TYPE_CHECKING:
    from bannerstream.generator.describers.transformers import TransformersDescriber


@dataclass(frozen=True, slots=True)
class Safety:
    """The gates of these settings. One classifier serves products' pictures and painted scenes."""

    words: BlockedWords
    screen: Screen
    judge: Judge


@dataclass(frozen=True, slots=True)
class Models:
    """What takes long to load; None where the settings do without."""

    describer: "TransformersDescriber | None"
    painter: BatchPainter | None
    likeness: Likeness | None


def load_models(settings: GeneratorSettings) -> Models:
    """Load every model that these settings name.

    Raises:
        ConfigurationError: one cannot be loaded, or the device is not there.
    """
    describer = None if _describer_model(settings) is None else _load_describer(settings)
    painter = None if settings.painter == "studio" else _load_painter(settings)
    likeness = None if settings.personal_model is None else _load_likeness(settings)
    return Models(describer, painter, likeness)


def build_pipeline(
    settings: GeneratorSettings, store: BannerStore, metrics: GeneratorMetrics | None = None
) -> Pipeline:
    """Return the pipeline of these settings around a store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
        PaintingFailed: the model is loaded and cannot paint.
    """
    watch = _Watch(settings, metrics or GeneratorMetrics(CollectorRegistry()), Health())
    executor = ThreadPoolExecutor(settings.encode_workers, thread_name_prefix="finish")
    safety = _safety(watch)

    def keep(describer: Describer) -> Describer:
        return KeptDescriber(describer, store, executor)

    composer = build_composer(
        settings,
        executor,
        keep=keep,
        safety=safety,
        metrics=watch.metrics,
        health=watch.health,
        warm_up=settings.warm_up,
    )
    return Pipeline(
        composer,
        store,
        executor,
        now=lambda: time.time_ns() // 1_000_000,
        preview_composer=_preview_composer(settings, executor, safety),
        health=watch.health,
        screen=safety.screen,
    )


def build_composer(
    settings: GeneratorSettings,
    executor: Executor,
    sizes: Sequence[BannerSize] = SIZES,
    *,
    keep: Callable[[Describer], Describer] = lambda describer: describer,
    models: Models | None = None,
    safety: Safety | None = None,
    metrics: GeneratorMetrics | None = None,
    health: Health | None = None,
    warm_up: bool = False,
) -> Composer:
    """Return what makes banners without any store; `keep` may have descriptions kept in one.

    `models` and `safety` are those of these settings, where they are there already.

    Raises:
        ConfigurationError: a model cannot be loaded, the device is not there, or the budget has no room for a banner.
        PaintingFailed: with `warm_up`, the model is loaded and cannot paint.
    """
    watch = _Watch(settings, metrics or GeneratorMetrics(CollectorRegistry()), health or Health())
    safety = safety or _safety(watch)
    lexicon, studio = LexiconDescriber(), StudioPainter()
    models = models or load_models(settings)
    language = None if models.describer is None else watch.over("describer", models.describer, _load_describer)
    painter: Painter = studio
    if models.painter is not None:
        painter = _paint_server(watch, models.painter, sizes, warm_up=warm_up)
    likeness = None
    if models.likeness is not None:
        likeness = SupervisedLikeness(watch.over("likeness", models.likeness, _load_likeness))
    candidates = settings.personal_candidates if settings.personal and likeness is not None else 1
    describer = keep(lexicon if language is None else SupervisedDescriber(language))
    return Composer(
        # Outside of what is kept: a list of words that grows holds for descriptions that were kept before.
        describer=describer if language is None else ScreenedDescriber(describer, lexicon, safety.words),
        fallback_describer=lexicon,
        copy_writer=TemplateCopyWriter(),
        painter=_personal(settings, painter, language, likeness) if settings.personal else painter,
        fallback_painter=studio if settings.painter != "studio" else None,
        layout=layout,
        judge=safety.judge,
        encoder=encode,
        executor=executor,
        sizes=sizes,
        # A model is quicker in batches; the studio is not, and alone it leaves the other cores to what comes after it.
        paint_batch_size=settings.batch_size if settings.painter != "studio" else 1,
        budget=_budget(settings, candidates * len(sizes)),
        candidates=candidates,
    )


def _budget(settings: GeneratorSettings, pictures_per_banner: int) -> ImageBudget | None:
    """Return the model's budget; the studio, which paints what is over it, has none.

    Raises:
        ConfigurationError: it has no room for a single banner.
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


def _safety(watch: "_Watch") -> Safety:
    """Return the gates of these settings.

    Raises:
        ConfigurationError: the list of words cannot be read, or the classifier cannot be loaded.
    """
    gates = watch.settings.gates
    words = BlockedWords.read(gates.blocked_words) if gates.blocked_words is not None else BlockedWords(())
    nudity: NudityClassifier | None = None
    if gates.nudity_model is not None:
        nudity = SupervisedNudity(watch.over("classifier", _load_classifier(watch.settings), _load_classifier))
    return Safety(
        words,
        ProductScreen(words, nudity, threshold=gates.nudity_threshold),
        GateJudge(nudity, nudity_threshold=gates.nudity_threshold, most_skin=gates.most_skin),
    )


def _load_classifier(settings: GeneratorSettings) -> NudityClassifier:
    from bannerstream.generator.gates.nudity import TransformersNudity  # noqa: PLC0415  (torch: only where asked for)

    assert settings.gates.nudity_model is not None  # whoever calls has looked
    return TransformersNudity(settings.gates.nudity_model, device=settings.device)


def _preview_composer(settings: GeneratorSettings, executor: Executor, safety: Safety) -> Composer | None:
    """Return what makes previews, where they are wanted: no model has a part in them."""
    if settings.painter == "studio":
        # A model's description would be waited for, and another one's would be another picture.
        first = [each for each in SIZES if each.name in settings.first_sizes and settings.describer == "lexicon"]
        return build_composer(settings, executor, first, safety=safety) if first else None
    if not settings.progressive:
        return None
    # Of every size: where the model cannot paint, the preview is what stays.
    without = {"describer": "lexicon", "painter": "studio", "personal": 0.0, "personal_model": None}
    return build_composer(settings.model_copy(update=without), executor, safety=safety)


@dataclass(frozen=True, slots=True)
class _Watch:
    """Puts models under supervision: all alike, as the settings say."""

    settings: GeneratorSettings
    metrics: GeneratorMetrics
    health: Health

    def over(self, name: str, model: Model, load: Callable[[GeneratorSettings], Model]) -> SupervisedModel[Model]:
        return SupervisedModel(
            name,
            model,
            lambda: load(self.settings),
            timeout_s=self.settings.step_timeout_s,
            after_hang=self.settings.after_hang,
            health=self.health,
            on_hang=self.metrics.hangs.labels(name).inc,
        )


def _describer_model(settings: GeneratorSettings) -> str | None:
    return settings.describer_model if settings.describer == "transformers" else None


def _load_describer(settings: GeneratorSettings) -> "TransformersDescriber":
    from bannerstream.generator.describers.transformers import TransformersDescriber  # noqa: PLC0415  (torch: only where asked for)

    assert settings.describer_model is not None  # whoever calls has looked
    return TransformersDescriber(settings.describer_model, device=settings.device, mode=settings.describer_mode)


def _personal(
    settings: GeneratorSettings,
    painter: Painter,
    language: "SupervisedModel[TransformersDescriber] | None",
    likeness: Likeness | None,
) -> PersonalPainter:
    """Return the painter in cohorts' own styles: keywords from the language model that describes, if there is one."""
    keywords: KeywordWriter = ListedKeywords() if language is None else SupervisedKeywords(language)
    return PersonalPainter(
        painter,
        keywords,
        likeness,
        alpha=settings.personal,
        candidates=settings.personal_candidates,
        whole=settings.painter == "diffusers" and settings.painter_mode == "whole",
    )


def _load_likeness(settings: GeneratorSettings) -> Likeness:
    from bannerstream.generator.personal.likeness import ClipLikeness  # noqa: PLC0415  (torch: only where asked for)

    assert settings.personal_model is not None  # whoever calls has looked
    return ClipLikeness(settings.personal_model, device=settings.device)


def _load_painter(settings: GeneratorSettings) -> BatchPainter:
    if ":" in settings.painter:
        return load_custom_painter(settings)
    from bannerstream.generator.diffusion import DiffusersPainter  # noqa: PLC0415  (torch: only where asked for)
    from bannerstream.generator.postprocess import Finisher  # noqa: PLC0415

    assert settings.painter_model is not None  # whoever calls has looked
    return DiffusersPainter(
        settings.painter_model,
        mode=settings.painter_mode,
        steps=settings.painter_steps,
        guidance=settings.painter_guidance,
        device=settings.device,
        diffusion=settings.diffusion,
        fit=Finisher(settings.postprocess, settings.painter_mode),
    )


def _paint_server(watch: _Watch, painter: BatchPainter, sizes: Sequence[BannerSize], *, warm_up: bool) -> PaintServer:
    """Return a painter ready to paint for many at once, under watch; warm, and so it is when it is loaded again.

    Raises:
        PaintingFailed: with `warm_up`, it cannot paint.
    """
    settings = watch.settings
    warming = partial(warm, scenes=warm_up_scenes(sizes), batches=_warm_batches(settings))

    def load_again(settings: GeneratorSettings) -> BatchPainter:
        loaded = _load_painter(settings)
        if warm_up:
            warming(loaded)
        return loaded

    server = PaintServer(
        watch.over("painter", painter, load_again),
        max_batch_size=settings.images_together,
        wait_s=settings.batch_wait_s,
        callers=settings.batches_in_flight,
        metrics=watch.metrics,
    )
    if warm_up:
        server.warm_up(warming)
    return server


def _warm_batches(settings: GeneratorSettings) -> tuple[int, ...]:
    """Return how many pictures are painted together in warming up: one; and where the model is compiled, many, too.

    `torch.compile` makes one program for one picture and, at the first batch of another size, a second for any number
    from two on: after batches of 1 and 5 of three shapes, none of 2, 3 or 4 was compiled (torch 2.15, a tiny Stable
    Diffusion). The largest batch is the one to make it of: what it assumes of sizes holds for smaller ones.
    """
    return (1, settings.images_together) if settings.diffusion.compile and settings.images_together > 1 else (1,)
