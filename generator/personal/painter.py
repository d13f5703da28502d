"""Paints in a cohort's own style: adds keywords to the prompt and keeps the best of several pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import msgspec
import numpy as np
import structlog

from bannerstream.contracts.manifest import PersonalStyle
from bannerstream.generator.errors import PaintingFailed
from bannerstream.generator.personal.behaviour import Behaviour
from bannerstream.generator.personal.candidates import (
    Candidate,
    agreement,
    best_index,
    candidates_around,
    compared_with,
    merit,
)
from bannerstream.generator.personal.keyword_weights import WeightedKeywords, weigh_keywords
from bannerstream.generator.personal.keywords import KeywordWriter, target_keywords
from bannerstream.generator.personal.likeness import Likeness
from bannerstream.generator.pipeline.ports import Painter, Painting, SceneRequest

log = structlog.get_logger(__name__)

_REMEMBERED = 1000
"""Cohorts whose keywords are cached; a shop has tens."""


@dataclass(frozen=True, slots=True)
class _CandidateScenes:
    """One candidate of one banner: its scenes, one per size, and the keywords in their prompts."""

    scenes: tuple[SceneRequest, ...]
    weights: WeightedKeywords


class PersonalPainter:
    """Paints every banner `candidates` times around weight `alpha` and keeps the one that fits cohort and product best.

    All sizes of a banner come from one candidate. Without a `likeness` to choose by, only one candidate is painted; if
    the likeness fails, the first is kept, which is nearest to the request. `whole`: the painter paints the product too.
    """

    def __init__(
        self,
        painter: Painter,
        keywords: KeywordWriter,
        likeness: Likeness | None,
        *,
        alpha: float,
        candidates: int,
        whole: bool,
    ) -> None:
        self._painter = painter
        self._keywords = keywords
        self._likeness = likeness
        self._alpha = alpha
        self._candidates = candidates if likeness is not None else 1
        self._whole = whole
        self._known: dict[Behaviour, tuple[str, ...]] = {}

    def paint(self, scenes: Sequence[SceneRequest]) -> list[Painting | PaintingFailed]:
        """Return, per scene and in order, its painting, or the failure if no candidate of its banner was painted.

        Raises:
            PaintingFailed: the painter or the model that writes keywords failed.
        """
        banners = [tuple(group) for _, group in groupby(scenes, key=lambda scene: (scene.seed, scene.description))]
        preferences = self._preferences([_behaviour(sizes[0]) for sizes in banners])
        tried = [self._candidates_of(sizes, liked) for sizes, liked in zip(banners, preferences, strict=True)]
        to_paint = [scene for candidates in tried for candidate in candidates for scene in candidate.scenes]
        painted = iter(self._painter.paint(to_paint))
        paintings: list[Painting | PaintingFailed] = []
        for candidates, liked in zip(tried, preferences, strict=True):
            outcomes = [[next(painted) for _ in candidate.scenes] for candidate in candidates]
            whole: list[tuple[_CandidateScenes, list[Painting]]] = []
            for candidate, per_size in zip(candidates, outcomes, strict=True):
                found = [painting for painting in per_size if isinstance(painting, Painting)]
                if len(found) == len(candidate.scenes):
                    whole.append((candidate, found))
            if whole:
                paintings += self._best([candidate for candidate, _ in whole], [found for _, found in whole], liked)
            else:
                paintings += [_failure(outcomes)] * len(outcomes[0])
        return paintings

    def _preferences(self, behaviours: Sequence[Behaviour]) -> list[tuple[str, ...]]:
        new = [each for each in dict.fromkeys(behaviours) if each not in self._known]
        if len(self._known) + len(new) > _REMEMBERED:
            self._known.clear()
            new = list(dict.fromkeys(behaviours))
        if new:
            self._known |= dict(zip(new, self._keywords.keywords(new), strict=True))
        return [self._known[each] for each in behaviours]

    def _candidates_of(self, sizes: tuple[SceneRequest, ...], liked: tuple[str, ...]) -> list[_CandidateScenes]:
        target = target_keywords(sizes[0].description, whole=self._whole)
        candidates = candidates_around(sizes[0].seed, self._alpha, self._candidates)
        return [
            _candidate_scenes(sizes, candidate, weigh_keywords(liked, target, candidate.balance))
            for candidate in candidates
        ]

    def _best(
        self, tried: Sequence[_CandidateScenes], paintings: Sequence[Sequence[Painting]], liked: tuple[str, ...]
    ) -> list[Painting]:
        target = target_keywords(tried[0].scenes[0].description, whole=self._whole)
        scores = self._scores(paintings, liked, target)
        chosen = 0 if scores is None else best_index([merit(p, t, self._alpha) for p, t in scores])
        style = PersonalStyle(
            alpha=self._alpha,
            preference=liked,
            target=target,
            preference_repeats=tried[chosen].weights.preference_repeats,
            target_repeats=tried[chosen].weights.target_repeats,
            guidance=tried[chosen].weights.guidance_factor,
            candidates=len(tried),
            judged_by=None if self._likeness is None or scores is None else self._likeness.name,
            d_p=None if scores is None else scores[chosen][0],
            d_t=None if scores is None else scores[chosen][1],
        )
        return [
            replace(painting, provenance=msgspec.structs.replace(painting.provenance, personal=style))
            for painting in paintings[chosen]
        ]

    def _scores(
        self, paintings: Sequence[Sequence[Painting]], liked: Sequence[str], target: Sequence[str]
    ) -> list[tuple[float, float]] | None:
        """Return d_p and d_t of every candidate, averaged over its sizes; None without a likeness, or if it failed."""
        if self._likeness is None:
            return None
        pictures = [each.pixels for row in paintings for each in row]
        try:
            cosines = self._likeness.similarities(pictures, compared_with(liked, target)).reshape(len(paintings), -1, 2)
        except Exception as error:  # a model may raise anything, and the pictures are usable without scores
            log.warning("likeness_failed", error=repr(error), candidates=len(paintings))
            return None
        means = np.asarray(cosines, np.float64).mean(axis=1)
        return [(agreement(float(preference)), agreement(float(of_target))) for preference, of_target in means]


def _failure(outcomes: Sequence[Sequence[Painting | PaintingFailed]]) -> PaintingFailed:
    return next(each for row in outcomes for each in row if isinstance(each, PaintingFailed))


def _behaviour(scene: SceneRequest) -> Behaviour:
    return Behaviour(scene.cohort, scene.favourites)


def _candidate_scenes(
    sizes: tuple[SceneRequest, ...], candidate: Candidate, weights: WeightedKeywords
) -> _CandidateScenes:
    scenes = tuple(
        replace(scene, seed=candidate.seed, keywords=weights.words, guidance_factor=weights.guidance_factor)
        for scene in sizes
    )
    return _CandidateScenes(scenes, weights)
