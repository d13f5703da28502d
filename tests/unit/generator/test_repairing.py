"""A request that repairs: what is whole is announced again, what is broken is made again under a higher revision."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from bannerstream.contracts.messages import BannerRequest
from bannerstream.generator.pipeline.pipeline import MadeBanner
from tests.support.generator_fakes import Fakes, RequestFor, the_one


def repairing(request: BannerRequest, revision: int = 1) -> BannerRequest:
    return msgspec.structs.replace(request, repairs_revision=revision)


def lose_blob(fakes: Fakes, key: str) -> None:
    del fakes.store.blobs[fakes.store.manifests[key].renditions[0].blob_key]


def spoil_blob(fakes: Fakes, key: str) -> None:
    fakes.store.blobs[fakes.store.manifests[key].renditions[1].blob_key] = b""


def lose_manifest(fakes: Fakes, key: str) -> None:
    del fakes.store.manifests[key]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("harm", [lose_blob, spoil_blob, lose_manifest])
def test_a_broken_banner_is_made_again(
    fakes: Fakes, request_for: RequestFor, harm: Callable[[Fakes, str], None], progressive: bool
) -> None:
    pipeline, request = fakes.pipeline(progressive=progressive), request_for()
    pipeline.make([request])
    harm(fakes, request.banner_key)
    if harm is not lose_manifest:
        assert the_one(pipeline.make([request])).reused, "an ordinary request trusts the manifest"
    if progressive:
        (preview,) = pipeline.preview([repairing(request)])
        assert isinstance(preview, MadeBanner)
        assert preview.manifest.provisional
    made = the_one(pipeline.make([repairing(request)]))
    assert not made.reused
    assert made.manifest.revision == 2 + progressive, "readers pass over a revision that they know"
    assert fakes.store.has_blobs(made.manifest)
    again = the_one(pipeline.make([repairing(request)]))
    assert (again.reused, again.manifest) == (True, made.manifest), "a record that comes twice repairs once"


def test_a_whole_banner_is_not_made_again(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(), request_for()
    first = the_one(pipeline.make([request]))
    again = the_one(pipeline.make([repairing(request)]))
    assert (again.reused, again.manifest) == (True, first.manifest)


def test_a_banner_of_an_earlier_version_that_hides_its_product_is_made_again(
    fakes: Fakes, request_for: RequestFor
) -> None:
    fakes.store.images["catalogue/p1.png"] = (np.zeros((4, 4, 4), np.uint8), True)
    pipeline, request = fakes.pipeline(), request_for(image_key="catalogue/p1.png")
    shown = the_one(pipeline.make([request])).manifest
    assert the_one(pipeline.make([repairing(request)])).reused
    fakes.store.manifests[request.banner_key] = msgspec.structs.replace(shown, products={}, gates=())
    made = the_one(pipeline.make([repairing(request)]))
    assert made.manifest.revision == 2
    assert made.manifest.products == shown.products


def test_a_repair_in_a_batch_with_an_ordinary_request_wins(fakes: Fakes, request_for: RequestFor) -> None:
    pipeline, request = fakes.pipeline(), request_for()
    pipeline.make([request])
    lose_blob(fakes, request.banner_key)
    for outcome in pipeline.make([repairing(request), request]):
        assert isinstance(outcome, MadeBanner)
        assert outcome.manifest.revision == 2
