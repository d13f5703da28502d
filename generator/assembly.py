"""Puts the pipeline together as the settings say. Models load here, and nowhere earlier."""

import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from contracts.sizes import SIZES, BannerSize
from generator import layout
from generator.composing import Composer
from generator.copywriting import TemplateCopyWriter
from generator.describers.lexicon import LexiconDescriber
from generator.encoding import encode
from generator.gates import GateJudge
from generator.pipeline import Pipeline
from generator.ports import BannerStore, Describer, Judge, NudityClassifier, Painter, Screen
from generator.safety.screening import ProductScreen, ScreenedDescriber
from generator.safety.words import BlockedWords
from generator.studio import StudioPainter
from settings import GeneratorSettings


@dataclass(frozen=True, slots=True)
class Safety:
    """The gates of these settings. One classifier serves products' pictures and painted scenes."""

    words: BlockedWords
    screen: Screen
    judge: Judge


def build_pipeline(settings: GeneratorSettings, store: BannerStore) -> Pipeline:
    """Return the pipeline of these settings around a store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
    """
    executor = ThreadPoolExecutor(settings.encode_workers, thread_name_prefix="finish")
    safety = build_safety(settings)
    return Pipeline(
        build_composer(settings, executor, safety=safety),
        store,
        executor,
        now=lambda: time.time_ns() // 1_000_000,
        screen=safety.screen,
    )


def build_composer(
    settings: GeneratorSettings,
    executor: Executor,
    sizes: Sequence[BannerSize] = SIZES,
    *,
    safety: Safety | None = None,
) -> Composer:
    """Return what makes banners without any store.

    Raises:
        ConfigurationError: a model cannot be loaded, or the device is not there.
    """
    safety = safety or build_safety(settings)
    lexicon, studio = LexiconDescriber(), StudioPainter()
    describer = _describer(settings)
    return Composer(
        describer=ScreenedDescriber(describer, lexicon, safety.words) if describer is not None else lexicon,
        describer_understudy=lexicon,
        copy_writer=TemplateCopyWriter(),
        painter=_painter(settings) or studio,
        understudy=studio if settings.painter != "studio" else None,
        layout=layout,
        judge=safety.judge,
        encoder=encode,
        executor=executor,
        sizes=sizes,
        # A model is quicker in batches; the studio is not, and alone it leaves the other cores to what comes after it.
        painted_together=settings.batch_size if settings.painter == "diffusers" else 1,
    )


def build_safety(settings: GeneratorSettings) -> Safety:
    """Return the gates of these settings.

    Raises:
        ConfigurationError: the list of words cannot be read, or the classifier cannot be loaded.
    """
    gates = settings.gates
    words = BlockedWords.read(gates.blocked_words) if gates.blocked_words is not None else BlockedWords(())
    nudity = _nudity_classifier(gates.nudity_model, settings.device)
    return Safety(
        words,
        ProductScreen(words, nudity, threshold=gates.nudity_threshold),
        GateJudge(nudity, nudity_threshold=gates.nudity_threshold, most_skin=gates.most_skin),
    )


def _nudity_classifier(model: str | None, device: str) -> NudityClassifier | None:
    if model is None:
        return None
    from generator.safety.nudity import TransformersNudity  # noqa: PLC0415  (torch: only where asked for)

    return TransformersNudity(model, device=device)


def _describer(settings: GeneratorSettings) -> Describer | None:
    """Return the language model that was asked for, if one was."""
    if settings.describer != "transformers" or settings.describer_model is None:
        return None
    from generator.describers.transformers import TransformersDescriber  # noqa: PLC0415  (torch: only where asked for)

    return TransformersDescriber(settings.describer_model, device=settings.device)


def _painter(settings: GeneratorSettings) -> Painter | None:
    """Return the diffusion model that was asked for, if one was."""
    if settings.painter != "diffusers" or settings.painter_model is None:
        return None
    from generator.diffusion import DiffusersPainter  # noqa: PLC0415  (torch: only where asked for)
    from generator.postprocess import Finisher  # noqa: PLC0415

    return DiffusersPainter(
        settings.painter_model,
        mode=settings.painter_mode,
        steps=settings.painter_steps,
        guidance=settings.painter_guidance,
        device=settings.device,
        fit=Finisher(settings.postprocess, settings.painter_mode),
    )
