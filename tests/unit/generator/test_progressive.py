"""Two tiers of one banner: a preview at once, the model's picture in its place, whatever dies in between."""

import msgspec
import pytest

from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.errors import OverBudget
from bannerstream.generator.pipeline.fallbacks import Fallback
from bannerstream.generator.pipeline.pipeline import MadeBanner, Pipeline, UnmakeableBanner
from tests.support.generator_fakes import Fakes, RequestFor


def preview(pipeline: Pipeline, request: BannerRequest) -> MadeBanner:
    (outcome,) = pipeline.preview([request])
    assert isinstance(outcome, MadeBanner)
    return outcome


def make(pipeline: Pipeline, request: BannerRequest) -> MadeBanner:
    (outcome,) = pipeline.make([request])
    assert isinstance(outcome, MadeBanner)
    return outcome


def announced(manifest: Manifest) -> tuple[int, bool, str]:
    return (manifest.revision, manifest.provisional, manifest.provenance.painter)


def test_a_preview_is_followed_by_the_banner_under_the_same_key(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(progressive=True), request_for()
    fakes.painter.level = lambda _: 250
    first = preview(pipeline, request)
    assert announced(first.manifest) == (1, True, "fallback")
    assert fakes.store.manifests[request.banner_key] == first.manifest
    assert fakes.painter.batches == []  # no model had a part in it
    assert fakes.describer.described == []

    second = make(pipeline, request)
    assert announced(second.manifest) == (2, False, "fake")
    assert second.manifest_key == first.manifest_key
    assert not second.reused
    assert second.manifest.renditions != first.manifest.renditions
    assert {each.blob_key for each in first.manifest.renditions} <= fakes.store.blobs.keys()  # who saw it, still does


def test_both_tiers_say_the_same_words_in_the_same_places(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(progressive=True), request_for()
    first, second = preview(pipeline, request).manifest, make(pipeline, request).manifest
    assert (first.words, first.templates) == (second.words, second.templates)


def test_what_died_after_its_preview_is_announced_again_and_made(fakes: Fakes, request_for: RequestFor) -> None:
    request = request_for()
    first = preview(fakes.pipeline(progressive=True), request)
    restarted = fakes.pipeline(progressive=True)
    again = preview(restarted, request)
    assert (again.manifest, again.reused) == (first.manifest, True)
    assert announced(make(restarted, request).manifest) == (2, False, "fake")


def test_a_preview_is_finished_by_a_generator_that_makes_none(fakes: Fakes, request_for: RequestFor) -> None:
    request = request_for()
    preview(fakes.pipeline(progressive=True), request)
    assert announced(make(fakes.pipeline(), request).manifest) == (2, False, "fake")


def test_a_banner_that_is_final_is_neither_previewed_nor_made_again(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(progressive=True), request_for()
    preview(pipeline, request)
    final = make(pipeline, request)
    for again in (preview(pipeline, request), make(pipeline, request)):
        assert (again.manifest, again.reused) == (final.manifest, True)
    assert len(fakes.painter.batches) == 1


def test_a_preview_never_takes_the_place_of_a_banner_that_was_made_meanwhile(
    fakes: Fakes, request_for: RequestFor
) -> None:
    """Two workers hold the request, as in a rebalance: the other is done while this one sketches."""
    request, other = request_for(), fakes.pipeline()
    pipeline = fakes.pipeline(progressive=True)
    assert fakes.fallback_painter is not None
    fakes.fallback_painter.fault = lambda _: make(other, request)
    outcome = preview(pipeline, request)
    assert outcome.reused
    assert announced(fakes.store.manifests[request.banner_key]) == (1, False, "fake")


def test_where_the_painter_fails_the_preview_stays_and_says_why(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(progressive=True), request_for()
    first = preview(pipeline, request).manifest

    def fault(_: object) -> None:
        raise OverBudget("over the budget of 600 pictures a minute")

    fakes.painter.fault = fault
    second = make(pipeline, request)
    assert announced(second.manifest) == (2, False, "fallback")
    assert second.manifest.provenance.fallback_reason == "over the budget of 600 pictures a minute"
    assert second.manifest.renditions == first.renditions  # the same picture: no flicker
    assert second.fallbacks == (Fallback("painter", "budget"),)


@pytest.mark.parametrize("operation", ["manifest", "put_blob", "put_manifest"])
def test_a_store_that_is_away_between_the_tiers_loses_neither(
    fakes: Fakes, request_for: RequestFor, operation: str
) -> None:
    pipeline, request = fakes.pipeline(progressive=True), request_for()
    first = preview(pipeline, request)

    def fault(called: str, _key: str) -> None:
        if called == operation:
            raise ServiceUnavailable("the store does not answer")

    fakes.store.fault = fault
    with pytest.raises(ServiceUnavailable):
        pipeline.make([request])
    assert fakes.store.manifests[request.banner_key] == first.manifest
    fakes.store.fault = lambda *_: None
    assert announced(make(pipeline, request).manifest) == (2, False, "fake")


def test_manifests_of_before_count_as_final(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(), request_for()
    made = make(pipeline, request)
    written = msgspec.to_builtins(made.manifest)
    del written["provisional"]
    fakes.store.manifests[request.banner_key] = msgspec.convert(written, Manifest)
    assert make(pipeline, request).reused


def test_no_preview_is_shown_of_a_blocked_product(fakes: Fakes, request_for: RequestFor) -> None:
    request = request_for()
    fakes.screen.words = {request.product.product_id: "it says so"}
    (outcome,) = fakes.pipeline(progressive=True).preview([request])
    assert isinstance(outcome, UnmakeableBanner)
    assert outcome.code == "blocked_product"
    assert fakes.store.manifests == {}


def test_a_painter_that_is_not_to_be_had_is_rejected_once(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(progressive=True), request_for()
    preview(pipeline, request)

    def refuse(_: object) -> int:
        raise OverBudget("enough")

    fakes.painter.level = refuse
    assert [each.reason for each in make(pipeline, request).manifest.rejected] == ["enough"]
