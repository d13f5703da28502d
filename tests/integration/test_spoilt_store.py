"""A generator on real servers whose store returns damaged pictures of products."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from bannerstream.broker import dead_letters
from bannerstream.broker.publisher import Publisher
from bannerstream.contracts.catalog import with_rev
from bannerstream.contracts.keys import banner_key
from bannerstream.contracts.messages import BannerRequest
from bannerstream.settings import Settings
from bannerstream.storage import S3BannerStore
from bannerstream.storage.pictures import encode_picture
from tests.faults.chain.faulty_store import Failure, FaultyStore
from tests.integration.test_generator import generator
from tests.support.generator_worker import COHORT, prepare, publish_requests, ready_events, request_for
from tests.support.waiting import until

pytestmark = [pytest.mark.timeout(240), pytest.mark.pairs("apache-minio")]


KINDS: tuple[Failure, ...] = ("truncated", "spoilt")


def with_picture(name: str, image_key: str) -> BannerRequest:
    request = request_for(name)
    product = with_rev(msgspec.structs.replace(request.product, image_key=image_key))
    key = banner_key(product, COHORT, locale="en", variant="a", creative_revision="1")
    return msgspec.structs.replace(request, product=product, banner_key=key)


async def test_a_picture_that_comes_spoilt_is_a_dead_letter_and_its_replay_a_banner_with_the_product(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    await prepare(settings)
    mug = np.zeros((120, 100, 4), np.uint8)
    mug[10:110, 10:90] = (200, 80, 40, 255)
    store = S3BannerStore(settings.storage)
    requests = {kind: with_picture(f"mug-{kind}", f"catalogue/aa/{kind}.png") for kind in KINDS}
    for request in requests.values():
        store.put_image(str(request.product.image_key), encode_picture(mug))
    letters: list[dead_letters.StoredLetter] = []

    async def refused(count: int) -> bool:
        letters[:] = [stored async for stored in dead_letters.read(settings.kafka)]
        return len(letters) >= count

    with FaultyStore(settings.storage.endpoint, seed=1) as proxy:
        behind = environment | {
            "BANNERSTREAM_STORAGE__ENDPOINT": proxy.endpoint,
            "BANNERSTREAM_STORAGE__ATTEMPTS": "2",
        }
        with generator(behind, tmp_path) as worker:
            for number, (kind, request) in enumerate(requests.items()):
                proxy.fail(kind, 1.0, part="/catalogue/")
                proxy.failed = 0
                await publish_requests(settings, [request])
                await until(lambda due=number + 1: refused(due), lambda: worker.log_tail(20))
                assert proxy.failed == 2, "the read is repeated"
            assert {stored.letter.code for stored in letters} == {"picture_unreadable"}
            assert list(store.manifest_keys()) == []

            proxy.heal()
            async with Publisher(settings.kafka) as publisher:
                await dead_letters.replay(settings.kafka, publisher, code="picture_unreadable")
            keys = {request.banner_key for request in requests.values()}
            events = await ready_events(settings, lambda found: {event.banner_key for event in found} >= keys)
    for event in events:
        manifest = store.manifest(event.banner_key)
        assert manifest is not None
        assert manifest.products.keys() == {rendition.size for rendition in manifest.renditions}
    store.close()
