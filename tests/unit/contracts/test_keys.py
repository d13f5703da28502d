import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bannerstream.contracts.catalog import Cohort, Favourite, Price, Product, content_rev, with_rev
from bannerstream.contracts.codecs import canonical_json, decode
from bannerstream.contracts.errors import ConfigurationError, MalformedRecord
from bannerstream.contracts.keys import (
    banner_key,
    blob_object_key,
    description_object_key,
    manifest_object_key,
    user_key,
)
from bannerstream.contracts.messages import Assignment
from bannerstream.contracts.scalars import BannerKey, ObjectKey, UserKey

PRODUCT = with_rev(Product(product_id="mug-3", title="A mug", category="mugs", cohorts={"calm": 1.0, "bold": 0.5}))
COHORT = with_rev(Cohort(cohort_id="calm", name="Calm", mood=("quiet",), palette=("#ffffff", "#888888", "#000000")))
SHAPED_BY: dict[str, Any] = {"locale": "en", "variant": "a", "creative_revision": "1"}
SECRET = bytes(range(64))


class TestUserKey:
    def test_is_keyed_blake2b_128(self) -> None:
        # Computed apart from hashlib, by the steps of RFC 7693 §3 written out (first block: the key, zero-padded).
        assert user_key("u-7", b"0123456789abcdef") == "4a904a9f738291019d4129e18104ab2d"

    def test_depends_on_user_and_secret(self) -> None:
        keys = {user_key(user, secret) for user in ("u-7", "u-8", "ü") for secret in (SECRET, SECRET[:16])}
        assert len(keys) == 6
        for key in keys:
            assert msgspec.convert(key, UserKey) == key

    @pytest.mark.parametrize("length", [0, 15, 65])
    def test_refuses_a_secret_of_the_wrong_length(self, length: int) -> None:
        with pytest.raises(ConfigurationError, match=f"16 to 64 bytes, has {length}; make one with `openssl"):
            user_key("u-7", b"x" * length)


class TestBannerKey:
    def test_is_the_hash_of_what_shapes_the_picture(self) -> None:
        written_out = (
            f'{{"cohort_id":"calm","cohort_rev":"{COHORT.rev}","creative_revision":"1","locale":"en",'
            f'"product_id":"mug-3","product_rev":"{PRODUCT.rev}","variant":"a"}}'
        )
        assert banner_key(PRODUCT, COHORT, **SHAPED_BY) == hashlib.sha256(written_out.encode()).hexdigest()

    def test_changes_with_every_input(self) -> None:
        replace = msgspec.structs.replace
        keys = [
            banner_key(PRODUCT, COHORT, **SHAPED_BY),
            banner_key(replace(PRODUCT, product_id="mug-4"), COHORT, **SHAPED_BY),
            banner_key(replace(PRODUCT, rev="0" * 16), COHORT, **SHAPED_BY),
            banner_key(PRODUCT, replace(COHORT, cohort_id="bold"), **SHAPED_BY),
            banner_key(PRODUCT, replace(COHORT, rev="0" * 16), **SHAPED_BY),
            *(banner_key(PRODUCT, COHORT, **{**SHAPED_BY, name: "b"}) for name in SHAPED_BY),
        ]
        assert len(set(keys)) == len(keys) == 8
        assert msgspec.convert(keys, list[BannerKey]) == keys

    def test_changes_with_what_the_cohort_likes_and_not_where_that_is_not_told(self) -> None:
        plain = banner_key(PRODUCT, COHORT, **SHAPED_BY)
        liked = [Favourite(title="Rattan Chair", category="home"), Favourite(title="Lamp", category="home")]
        keys = {
            banner_key(PRODUCT, COHORT, **SHAPED_BY, favourites=favourites)
            for favourites in (liked, liked[:1], liked[::-1])
        }
        assert len(keys | {plain}) == 4
        assert banner_key(PRODUCT, COHORT, **SHAPED_BY, favourites=()) == plain

    def test_an_edit_of_the_product_gives_a_new_banner(self) -> None:
        edited = with_rev(msgspec.structs.replace(PRODUCT, price=Price("9.90", "EUR")))
        assert banner_key(edited, COHORT, **SHAPED_BY) != banner_key(PRODUCT, COHORT, **SHAPED_BY)


def test_object_names_are_keys_that_messages_accept() -> None:
    names = [manifest_object_key("0" * 64), description_object_key("ab"), blob_object_key("ab" + "0" * 62, "webp")]
    assert names == [f"manifests/{'0' * 64}.json", "descriptions/ab.json", f"blobs/ab/ab{'0' * 62}.webp"]
    assert msgspec.convert(names, list[ObjectKey]) == names


class TestContentRev:
    @pytest.mark.parametrize(
        "change",
        [
            {"title": "Another mug"}, {"category": "cups"}, {"cohorts": {"calm": 1.0}}, {"description": "x"},
            {"highlights": ("x",)}, {"brand": "x"}, {"price": Price("1", "EUR")}, {"image_key": "x"}, {"link": "/x"},
            {"locale": "de"}, {"product_id": "x"},
        ],
    )  # fmt: skip
    def test_changes_with_every_field(self, change: dict[str, Any]) -> None:
        assert content_rev(msgspec.structs.replace(PRODUCT, **change)) != PRODUCT.rev

    def test_covers_every_field(self) -> None:
        covered = self.test_changes_with_every_field.pytestmark[0].args[1]  # type: ignore[attr-defined]
        assert {name for change in covered for name in change} == {*Product.__struct_fields__} - {"rev"}

    def test_is_of_the_content_and_not_of_itself(self) -> None:
        assert with_rev(PRODUCT) == PRODUCT
        assert content_rev(msgspec.structs.replace(PRODUCT, rev="0" * 16)) == PRODUCT.rev
        turned = msgspec.structs.replace(PRODUCT, cohorts=dict(reversed(PRODUCT.cohorts.items())))
        assert content_rev(turned) == PRODUCT.rev

    def test_of_cohorts_too(self) -> None:
        assert content_rev(msgspec.structs.replace(COHORT, light="evening")) != COHORT.rev


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _values, max_size=5), st.randoms())
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: dict[str, Any], random: Any) -> None:
    names = list(value)
    random.shuffle(names)
    assert canonical_json({name: value[name] for name in names}) == canonical_json(value)
    assert msgspec.json.decode(canonical_json(value)) == value


def test_canonical_json_is_written_as_rfc_8785_has_it() -> None:
    assert canonical_json({"b": [1, 0.5, "é"], "a": {"d": None, "c": True}}) == (
        '{"a":{"c":true,"d":null},"b":[1,0.5,"é"]}'.encode()
    )


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "Assignment: "),
        (b"[" * 100_000, "Assignment: "),
        (b'{"user_key":"\xff"}', "utf-8"),
        (b'{"user_key":"' + b"0" * 32 + b'","epoch":0}', r"`int` >= 1 - at `\$.epoch`"),
        (b'{"user_key":"' + b"0" * 31 + b'"}', r"at `\$.user_key`"),
        (b"{}", "missing required field `user_key`"),
    ],
)
def test_decode_names_message_and_field(payload: bytes, message: str) -> None:
    with pytest.raises(MalformedRecord, match=f"(?i){message}"):
        decode(payload, Assignment)
