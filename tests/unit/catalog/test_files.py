"""Reading a catalogue: all of it, or every reason why not."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.catalog import CatalogueInvalid, read_catalogue
from tests.support.catalogue_folder import COHORTS, product, write_folder


def problems(folder: Path) -> list[str]:
    with pytest.raises(CatalogueInvalid) as caught:
        read_catalogue(folder)
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_catalogue_is_read(tmp_path: Path) -> None:
    rows = product("mug-1"), "", product("mug-2", locale="de", image=None, price={"amount": "9.90", "currency": "EUR"})
    catalogue = read_catalogue(write_folder(tmp_path, *rows), default_locale="fr")
    assert [each.product_id for each in catalogue.products] == ["mug-1", "mug-2"]
    assert [each.locale for each in catalogue.products] == ["fr", "de"]
    assert [each.cohort_id for each in catalogue.cohorts] == ["calm-home", "outdoor"]
    assert catalogue.images == {"mug-1": (tmp_path / "images/mug.png").resolve()}
    assert catalogue.products[0].image_key is None
    assert catalogue.products[0].rev is None


def test_all_problems_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    broken_cohorts = COHORTS.replace('"#ccddee"', '"blue"').replace('cohort_id = "outdoor"', 'cohort_id = "calm-home"')
    found = problems(
        write_folder(
            tmp_path,
            product("mug-1", title="", colour="red"),
            "{not json",
            "[1]",
            product("mug-1", cohorts={"nowhere": 0.5}),
            product("mug-3", image="images/none.png", price={"amount": "cheap", "currency": "EUR"}),
            product("mug-4", image="../mug.png", rev="0" * 16),
            {"product_id": "mug-5"},
            cohorts=broken_cohorts,
        )
    )
    expected = [
        ("cohorts.toml:2: palette[", "regex"),
        ("cohorts.toml:8: cohort_id: ", "'calm-home' is there already (line 2)"),
        ("products.jsonl:1: colour: ", "unknown; known are product_id"),
        ("products.jsonl:1: title: ", "length >= 1"),
        ("products.jsonl:2: ", "not JSON"),
        ("products.jsonl:3: ", "not an object"),
        ("products.jsonl:4: product_id: ", "line 1"),
        ("products.jsonl:4: cohorts.nowhere: ", "add it to cohorts.toml"),
        ("products.jsonl:5: image: ", "'images/none.png' is not there"),
        ("products.jsonl:5: price.amount: ", "regex"),
        ("products.jsonl:6: image: ", "leads out of the folder"),
        ("products.jsonl:6: rev: ", "filled on loading"),
        ("products.jsonl:7: title: ", "missing"),
        ("products.jsonl:7: category: ", "missing"),
        ("products.jsonl:7: cohorts: ", "missing"),
    ]
    for place, words in expected:
        assert any(each.startswith(place) and words in each for each in found), (place, words, found)
    assert len(found) == len(expected)


@pytest.mark.parametrize("escape", ["/etc/hostname", "../outside.png", "images/../../outside.png", "images/link.png"])
def test_a_picture_outside_the_folder_is_never_read(tmp_path: Path, escape: str) -> None:
    (tmp_path / "outside.png").write_bytes(b"secret")
    folder = write_folder(tmp_path / "catalogue", product("mug-1", image=escape))
    (folder / "images" / "link.png").symlink_to(tmp_path / "outside.png")
    assert "leads out of the folder" in problems(folder)[0]


@pytest.mark.parametrize("image", [7, "", "a\0b", "images"])
def test_an_image_that_is_no_path_to_a_file_is_told(tmp_path: Path, image: object) -> None:
    assert problems(write_folder(tmp_path, product("mug-1", image=image)))[0].startswith("products.jsonl:1: image: ")


def test_an_empty_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    found = problems(tmp_path)
    assert [each.split(":")[0] for each in found] == ["cohorts.toml", "products.jsonl"]
    assert problems(write_folder(tmp_path, cohorts=COHORTS)) == [
        "products.jsonl: no product; write one per line as {…}"
    ]


@pytest.mark.parametrize("cohorts", ["", "cohort = 3", "cohort = [1]", "[[cohort", "[[cohorts]]\nname = 'x'"])
def test_cohorts_that_are_not_tables_are_told(tmp_path: Path, cohorts: str) -> None:
    assert problems(write_folder(tmp_path, product("mug-1"), cohorts=cohorts))[0].startswith("cohorts.toml")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*product("x"), "price", "highlights", "locale", "rev", "link"]), _json, max_size=6)
)
def test_any_json_is_a_product_or_a_list_of_problems(fields: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), product("mug-1") | fields)
        with contextlib.suppress(CatalogueInvalid):
            assert len(read_catalogue(Path(folder)).products) == 1


def test_bytes_that_are_not_utf8_are_told(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, product("mug-1"))
    (folder / "products.jsonl").write_bytes(b'{"product_id": "\xff"}\n')
    assert "UTF-8" in problems(folder)[0]
