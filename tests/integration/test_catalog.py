"""Loading a catalogue into a real bucket and real topics."""

from pathlib import Path

import pytest

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.broker.topics import create_topics
from bannerstream.catalog import CatalogueInvalid, load, read_catalogue
from bannerstream.contracts.catalog import Cohort, Product, content_rev
from bannerstream.contracts.codecs import decode
from bannerstream.settings.model import Settings
from bannerstream.storage import S3BannerStore
from tests.support.catalogue_folder import COHORTS, product, write_folder


@pytest.fixture
async def deployment(settings: Settings) -> Settings:
    """Settings whose bucket and topics exist and are empty."""
    await create_topics(settings.kafka)
    store = S3BannerStore(settings.storage)
    store.ensure_bucket()
    store.close()
    return settings


async def products_of(settings: Settings) -> dict[str, Product]:
    topic = settings.kafka.topic_table().products.name
    return await read_compacted(settings.kafka, topic, lambda value: decode(value, Product))


async def cohorts_of(settings: Settings) -> dict[str, Cohort]:
    topic = settings.kafka.topic_table().cohorts.name
    return await read_compacted(settings.kafka, topic, lambda value: decode(value, Cohort))


async def test_a_catalogue_is_loaded_and_loading_again_changes_nothing(deployment: Settings, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, product("mug-1"), product("plain", image=None))
    report = await load(read_catalogue(folder), deployment)
    assert report.products.published == ("mug-1", "plain")
    assert report.cohorts.published == ("calm-home", "outdoor")
    assert (report.pictures_stored, report.pictures_already_there) == (1, 0)

    on_topic = await products_of(deployment)
    assert on_topic.keys() == {"mug-1", "plain"}
    assert all(each.rev == content_rev(each) for each in on_topic.values())
    assert (await cohorts_of(deployment)).keys() == {"calm-home", "outdoor"}
    image_key = on_topic["mug-1"].image_key
    assert image_key is not None
    store = S3BannerStore(deployment.storage)
    picture = store.product_image(image_key)
    store.close()
    assert picture is not None
    assert picture[1]

    again = await load(read_catalogue(folder), deployment)
    assert again.products.published == again.cohorts.published == ()
    assert again.products.unchanged == ("mug-1", "plain")
    assert (again.pictures_stored, again.pictures_already_there) == (0, 1)


async def test_only_what_changed_is_published_and_what_vanished_is_pruned_when_asked(
    deployment: Settings, tmp_path: Path
) -> None:
    await load(read_catalogue(write_folder(tmp_path, product("mug-1"), product("mug-2"))), deployment)
    one_cohort = COHORTS[: COHORTS.rindex("[[cohort]]")]
    smaller = read_catalogue(write_folder(tmp_path, product("mug-1", title="A blue mug"), cohorts=one_cohort))

    kept = await load(smaller, deployment)
    assert (kept.products.published, kept.products.left, kept.products.removed) == (("mug-1",), ("mug-2",), ())
    assert (await products_of(deployment)).keys() == {"mug-1", "mug-2"}

    pruned = await load(smaller, deployment, prune=True)
    assert (pruned.products.published, pruned.products.removed) == ((), ("mug-2",))
    assert pruned.cohorts.removed == ("outdoor",)
    assert (await products_of(deployment)).keys() == {"mug-1"}
    assert (await cohorts_of(deployment)).keys() == {"calm-home"}


async def test_a_broken_picture_leaves_the_topics_alone(deployment: Settings, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, product("mug-1"), product("broken", image="images/broken.png"))
    (folder / "images/broken.png").write_bytes(b"not a picture")
    with pytest.raises(CatalogueInvalid, match=r"images/broken\.png"):
        await load(read_catalogue(folder), deployment)
    assert await products_of(deployment) == {}


async def test_progress_is_told_per_stage(deployment: Settings, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    await load(read_catalogue(write_folder(tmp_path, product("mug-1"))), deployment, lambda *step: steps.append(step))
    assert steps == [("pictures", 1, 1), ("cohorts", 2, 2), ("products", 1, 1)]
