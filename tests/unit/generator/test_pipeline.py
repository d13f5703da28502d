"""What the pipeline makes and reuses, in which order it writes, and what it does when a part of it fails."""

import threading
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from bannerstream.contracts import refusals as contracts_refusals
from bannerstream.contracts.errors import ServiceUnavailable
from bannerstream.contracts.manifest import Area
from bannerstream.contracts.messages import BannerRequest, Refusal
from bannerstream.generator.errors import BlockedProduct, NoFontForScript
from bannerstream.generator.pipeline.composer import seed_of
from bannerstream.generator.pipeline.fakes import FakeDescriber, FakeLayout
from bannerstream.generator.pipeline.fallbacks import Fallback
from bannerstream.generator.pipeline.pipeline import MadeBanner, UnmakeableBanner
from bannerstream.generator.pipeline.ports import ComposedBanner
from bannerstream.storage.errors import BrokenAnswer, SpoiltObject
from tests.support.generator_fakes import NOW, Fakes, RequestFor, raising, the_one


def test_a_banner_is_made_with_all_its_lineage(fakes: Fakes, request_for: RequestFor):
    request = request_for()
    made = the_one(fakes.pipeline().make([request]))
    manifest = fakes.store.manifests[request.banner_key]
    assert made.manifest == manifest
    assert not made.reused
    assert (manifest.product_rev, manifest.cohort_rev) == (request.product.rev, request.cohort.rev)
    assert manifest.seed == seed_of(request.banner_key)
    assert manifest.created_at == NOW
    assert [each.size for each in manifest.renditions] == ["300x250", "1080x1080"]
    assert all(len(fakes.store.blobs[each.blob_key]) == each.bytes for each in manifest.renditions)
    assert set(manifest.stage_ms) == {"describe", "write", "plan", "paint", "lay_out", "judge", "encode", "store"}
    assert (manifest.provenance.fallback_reason, made.fallbacks, made.failed_gates) == (None, (), ())


def test_the_manifest_is_written_after_every_blob(fakes: Fakes, request_for: RequestFor):
    requests = [request_for(f"p{number}", title=f"Mug {number}") for number in range(5)]
    fakes.pipeline().make(requests)
    for manifest in fakes.store.manifests.values():
        written_at = fakes.store.written.index(f"manifests/{manifest.banner_key}.json")
        assert all(fakes.store.written.index(each.blob_key) < written_at for each in manifest.renditions)


def test_a_banner_that_exists_is_reused(fakes: Fakes, request_for: RequestFor):
    pipeline, request = fakes.pipeline(), request_for()
    first = the_one(pipeline.make([request]))
    again = the_one(pipeline.make([request]))
    assert again.reused
    assert again.manifest == first.manifest
    assert again.manifest_key == first.manifest_key
    assert len(fakes.painter.batches) == 1


def test_equal_requests_in_one_batch_are_made_once_and_all_answered(fakes: Fakes, request_for: RequestFor):
    request = request_for()
    later = msgspec.structs.replace(request, requested_at=NOW + 1)
    outcomes = fakes.pipeline().make([request, later])
    assert [each.request for each in outcomes] == [request, later]
    assert fakes.painter.batches == [[seed_of(request.banner_key)] * 2]  # two sizes, one banner


def test_a_product_is_described_once_for_all_its_cohorts(fakes: Fakes, request_for: RequestFor):
    request = request_for()
    pipeline = fakes.pipeline()
    pipeline.make([request])
    pipeline.make([msgspec.structs.replace(request, banner_key="f" * 64)])
    assert fakes.describer.described == ["p1"]


def test_another_describer_describes_again(fakes: Fakes, request_for: RequestFor):
    request = request_for()
    fakes.pipeline().make([request])
    fakes.describer = FakeDescriber("fake@2")
    fakes.pipeline().make([msgspec.structs.replace(request, banner_key="f" * 64)])
    assert fakes.describer.described == ["p1"]


def test_a_product_picture_reaches_the_layout_and_a_missing_one_makes_a_typographic_banner(
    fakes: Fakes, request_for: RequestFor
):
    fakes.store.images["catalogue/p1.png"] = (np.zeros((4, 4, 4), np.uint8), True)
    fakes.pipeline().make([request_for("p1", image_key="catalogue/p1.png")])
    assert all(image is not None and image.cut_out for image in fakes.layout.images)
    fakes.layout.images.clear()
    fakes.pipeline().make([request_for("p2"), request_for("p3")])
    assert fakes.layout.images == [None] * 4


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    "fault", [None, SpoiltObject("another hash"), BrokenAnswer("cut short")], ids=["gone", "spoilt", "cut short"]
)
def test_a_picture_that_the_store_fails_to_give_is_never_a_product_without_one(
    fakes: Fakes, request_for: RequestFor, fault: Exception | None, progressive: bool
):
    def fail(operation: str, key: str) -> None:
        if fault is not None and (operation, key) == ("product_image", "catalogue/p1.png"):
            raise fault

    fakes.store.fault = fail
    pipeline = fakes.pipeline(progressive=progressive)
    requests = [request_for("p1", image_key="catalogue/p1.png"), request_for("p2")]
    if progressive:
        assert [type(outcome) for outcome in pipeline.preview(requests)] == [UnmakeableBanner, MadeBanner]
    refused, other = pipeline.make(requests)
    assert isinstance(refused, UnmakeableBanner)
    assert refused.code == "picture_unreadable"
    assert isinstance(other, MadeBanner)
    assert list(fakes.store.manifests) == [other.manifest.banner_key]

    fakes.store.fault = lambda *_: None
    fakes.store.images["catalogue/p1.png"] = (np.zeros((4, 4, 4), np.uint8), True)
    assert set(the_one(pipeline.make(requests[:1])).manifest.products) == {"300x250", "1080x1080"}


def test_no_attempt_may_leave_out_a_product_whose_record_names_a_picture(fakes: Fakes, request_for: RequestFor):
    """Also the studio's, whose pictures are published whatever the other gates score."""
    fakes.store.images["catalogue/p1.png"] = (np.zeros((4, 4, 4), np.uint8), True)
    fakes.layout = LayoutWithoutProduct()
    refused, other = fakes.pipeline().make([request_for("p1", image_key="catalogue/p1.png"), request_for("p2")])
    assert isinstance(refused, UnmakeableBanner)
    assert refused.code == "product_not_shown"
    assert isinstance(other, MadeBanner)
    assert list(fakes.store.manifests) == [other.manifest.banner_key]
    assert [len(batch) for batch in fakes.painter.batches] == [4, 2]  # two sizes; p1 is tried again


class LayoutWithoutProduct(FakeLayout):
    """Leaves the product out."""

    def lay_out(self, *args: Any, **options: Any) -> ComposedBanner:
        return replace(super().lay_out(*args, **options), product=None)


def test_the_manifest_says_where_the_product_is(fakes: Fakes, request_for: RequestFor):
    fakes.store.images["catalogue/p1.png"] = (np.zeros((4, 4, 4), np.uint8), True)
    made = the_one(fakes.pipeline().make([request_for("p1", image_key="catalogue/p1.png")]))
    assert made.manifest.products == {"300x250": Area(0, 0, 150, 250), "1080x1080": Area(0, 0, 540, 1080)}
    assert the_one(fakes.pipeline().make([request_for("p2")])).manifest.products == {}


def refusal_of(request: BannerRequest, **changes: Any) -> Refusal:
    product = request.product
    given: dict[str, Any] = {"product_id": product.product_id, "locale": "*", "rev": product.rev, "code": "words"}
    return Refusal(**(given | {"reason": "its record holds 'gun'", "refused_at": NOW} | changes))


def test_a_blocked_product_stays_blocked_until_its_rev_changes(fakes: Fakes, request_for: RequestFor):
    """Also when the words that blocked it are off the list, and also in another process."""
    fakes.screen.words = {"p1": "its record holds the blocked word 'gun'"}
    first, other = fakes.pipeline().make([request_for("p1"), request_for("p2")])
    assert isinstance(first, UnmakeableBanner)
    assert (first.code, str(first.error)) == ("blocked_product", "its record holds the blocked word 'gun'")
    assert isinstance(first.error, BlockedProduct)
    assert first.error.gate == "words"
    assert isinstance(other, MadeBanner)

    fakes.screen.words = {}
    pipeline = fakes.pipeline()
    refusals = {"p1/*": refusal_of(request_for("p1"))}
    pipeline.refused = lambda request: refusals_of(refusals, request)
    (again,) = pipeline.make([request_for("p1")])
    assert isinstance(again, UnmakeableBanner)
    assert (again.code, str(again.error)) == ("blocked_product", "its record holds 'gun'")
    assert isinstance(pipeline.make([request_for("p1", title="Tin Mug")])[0], MadeBanner)


def refusals_of(refusals: dict[str, Refusal], request: BannerRequest) -> Refusal | None:
    product = request.product
    return contracts_refusals.refusal_of(refusals, product.product_id, product.rev or "", request.locale)


def test_a_product_whose_letters_are_known_to_be_missing_is_not_painted_and_a_stored_banner_is_used(
    fakes: Fakes, request_for: RequestFor
):
    stored = the_one(fakes.pipeline().make([request_for("p1", cohort_id="sporty")]))
    painted = len(fakes.painter.batches)
    pipeline = fakes.pipeline()
    pipeline.refused = lambda request: refusal_of(request, code="letters", locale="en", letters="陶")
    refused, reused = pipeline.make([request_for("p1"), stored.request])
    assert isinstance(refused, UnmakeableBanner)
    assert isinstance(refused.error, NoFontForScript)
    assert refused.error.letters == "陶"
    assert isinstance(reused, MadeBanner)
    assert reused.reused
    assert len(fakes.painter.batches) == painted


def test_a_banner_that_is_there_is_not_announced_again_once_its_product_is_blocked(
    fakes: Fakes, request_for: RequestFor
):
    fakes.pipeline().make([request_for("p1")])
    fakes.screen.words = {"p1": "no"}
    (again,) = fakes.pipeline().make([request_for("p1")])
    assert isinstance(again, UnmakeableBanner)


def test_a_product_is_blocked_by_its_picture(fakes: Fakes, request_for: RequestFor):
    fakes.store.images |= {f"catalogue/{name}.png": (np.zeros((4, 4, 4), np.uint8), True) for name in ("p1", "p2")}
    fakes.store.images["catalogue/p1.png"][0][:] = 9
    fakes.screen.picture = lambda image: "nude" if image.pixels.any() else None
    blocked, made = fakes.pipeline().make(
        [request_for(name, image_key=f"catalogue/{name}.png") for name in ("p1", "p2")]
    )
    assert isinstance(blocked, UnmakeableBanner)
    assert isinstance(made, MadeBanner)
    assert isinstance(blocked.error, BlockedProduct)
    assert (blocked.error.gate, str(blocked.error)) == ("picture", "nude")
    assert fakes.describer.described == ["p2"]


def test_a_describer_that_fails_is_replaced_this_time_only(fakes: Fakes, request_for: RequestFor):
    fakes.describer.fault = raising(RuntimeError("no model"))
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.description.describer == "fallback@1"
    assert made.manifest.description.fallback_reason == "RuntimeError: no model"
    assert made.fallbacks == (Fallback("describer", "failed"),)
    assert fakes.store.descriptions == {}


def test_a_request_that_nobody_can_make_harms_no_other(fakes: Fakes, request_for: RequestFor):
    def fault(product) -> None:
        if product.product_id == "bad":
            raise ValueError("unwritable")

    fakes.copy_writer.fault = fault
    outcomes = fakes.pipeline().make([request_for("p1"), request_for("bad"), request_for("p2")])
    assert [type(each) for each in outcomes] == [MadeBanner, UnmakeableBanner, MadeBanner]
    assert isinstance(outcomes[1], UnmakeableBanner)
    assert outcomes[1].code == "unmakeable"
    assert "unwritable" in str(outcomes[1].error)


@pytest.mark.parametrize(
    "operation", ["manifest", "product_image", "description", "put_description", "put_blob", "put_manifest"]
)
def test_an_unavailable_store_stops_the_batch_and_the_same_batch_succeeds_later(
    fakes: Fakes, request_for: RequestFor, operation: str
):
    fakes.store.images["catalogue/p1.png"] = (np.zeros((4, 4, 4), np.uint8), True)
    request: BannerRequest = request_for(image_key="catalogue/p1.png")
    pipeline = fakes.pipeline()

    def fault(called: str, _key: str) -> None:
        if called == operation:
            raise ServiceUnavailable("the store does not answer")

    fakes.store.fault = fault
    with pytest.raises(ServiceUnavailable):
        pipeline.make([request])
    assert request.banner_key not in fakes.store.manifests
    fakes.store.fault = lambda *_: None
    assert not the_one(pipeline.make([request])).reused


def test_a_banner_that_is_still_being_stored_when_another_fails_is_not_made_again(
    fakes: Fakes, request_for: RequestFor
):
    failing, slow = request_for(product_id="p1"), request_for(product_id="p2")
    begun, failed, given_up, pipeline = threading.Event(), threading.Event(), threading.Event(), fakes.pipeline()

    def fault(called: str, key: str) -> None:
        if called == "put_manifest" and key == failing.banner_key:
            assert begun.wait(10)
            failed.set()
            raise ServiceUnavailable("the store does not answer")
        if called == "put_manifest":
            begun.set()
            assert failed.wait(10)
            assert not given_up.wait(0.1), "the batch was given up while this one was being stored"

    fakes.store.fault = fault
    with pytest.raises(ServiceUnavailable):
        pipeline.make([failing, slow])
    given_up.set()
    fakes.store.fault = lambda *_: None
    again = pipeline.make([failing, slow])
    assert [each.reused for each in again if isinstance(each, MadeBanner)] == [False, True]
