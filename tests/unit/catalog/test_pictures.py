"""Pictures of a catalogue, into a bucket in memory."""

from pathlib import Path

import pytest

from bannerstream.catalog import CatalogueInvalid, check, read_catalogue
from bannerstream.catalog.pictures import store_pictures
from bannerstream.storage.errors import StoreUnavailable
from bannerstream.storage.fakes import MemoryBannerStore
from tests.support.catalogue_folder import product, write_folder
from tests.support.photographs import photograph


async def test_pictures_are_stored_once_and_found_again(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, product("mug-1"), product("mug-2"), product("ball", image="images/ball.jpg"))
    (folder / "images/ball.jpg").write_bytes(photograph("ball", "blue").file("JPEG"))
    catalogue = read_catalogue(folder)
    store = MemoryBannerStore()
    seen: list[tuple[str, int, int]] = []
    first = await store_pictures(catalogue, store, lambda *step: seen.append(step))
    assert (first.stored, first.already_there) == (2, 0)
    assert first.keys["mug-1"] == first.keys["mug-2"] != first.keys["ball"]
    assert seen == [("pictures", 1, 2), ("pictures", 2, 2)]
    kept = store.product_image(first.keys["ball"])
    assert kept is not None
    assert kept[1]

    puts = list(store.puts)
    again = await store_pictures(catalogue, store)
    assert (again.stored, again.already_there, again.keys) == (0, 2, first.keys)
    assert store.puts == puts


async def test_pictures_that_the_bucket_spoilt_are_stored_again_on_demand(tmp_path: Path) -> None:
    store = MemoryBannerStore()
    catalogue = read_catalogue(write_folder(tmp_path, product("mug-1")))
    first = await store_pictures(catalogue, store)
    whole = dict(store.objects)
    store.objects[first.keys["mug-1"]] = b""
    again = await store_pictures(catalogue, store, again=True)
    assert (again.stored, again.already_there, again.keys) == (1, 0, first.keys)
    assert store.objects == whole


async def test_a_changed_picture_gets_another_key(tmp_path: Path) -> None:
    store = MemoryBannerStore()
    folder = write_folder(tmp_path, product("mug-1"))
    before = await store_pictures(read_catalogue(folder), store)
    (folder / "images/mug.png").write_bytes(photograph("mug", "white").file())
    after = await store_pictures(read_catalogue(folder), store)
    assert before.keys["mug-1"] != after.keys["mug-1"]


async def test_every_broken_picture_is_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, *(product(name, image=f"images/{name}.png") for name in ("one", "two")))
    catalogue_files = {"one": b"not a picture", "two": photograph("mug", "grey").file()[:2000]}
    for name, content in catalogue_files.items():
        (folder / f"images/{name}.png").write_bytes(content)
    with pytest.raises(CatalogueInvalid) as caught:
        await store_pictures(read_catalogue(folder), MemoryBannerStore())
    assert [problem.file for problem in caught.value.problems] == ["images/one.png", "images/two.png"]


async def test_a_store_that_fails_stops_the_loading(tmp_path: Path) -> None:
    store = MemoryBannerStore()
    store.fail_next(1)
    with pytest.raises(StoreUnavailable):
        await store_pictures(read_catalogue(write_folder(tmp_path, product("mug-1"))), store)


async def test_checking_says_what_becomes_of_each_picture(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path,
        product("cut"),
        product("white", image="images/white.png"),
        product("broken", image="images/broken.png"),
        product("none", image=None),
    )
    (folder / "images/white.png").write_bytes(photograph("mug", "white", colour=(250, 250, 250)).file())
    (folder / "images/broken.png").write_bytes(b"GIF89a")
    found = {each.product_id: (each.treatment, each.reason) for each in await check(read_catalogue(folder))}
    assert list(found) == ["cut", "white", "broken", "none"]
    assert found["cut"] == ("cut out", None)
    assert found["white"][0] == "whole"
    assert found["white"][1]
    assert found["broken"][0] == "broken"
    assert found["none"] == ("none", None)
