"""The demo shop's own logic: titles, prices, and the reasons for a banner."""

import pytest

from bannerstream.catalog.folder import read_catalogue
from bannerstream.contracts.messages import Assignment
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.demo.shop.reasons import shares, why
from bannerstream.demo.shop.shop_catalogue import ShopCatalogue, money, picture_webp, short_title
from bannerstream.streams.affinity.state import UserState

SHOP = ShopCatalogue(read_catalogue(CATALOGUE))


def shown(product: str, cohort: str) -> Assignment:
    return Assignment(
        user_key="a" * 32, epoch=1, banner_key="b" * 64, product_id=product, cohort_id=cohort, decided_at=0
    )


def state(**parts: object) -> UserState:
    return UserState(half_life_ms=1, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [("34.00", "EUR", "€34.00"), ("5400", "JPY", "¥5,400"), ("129.00", "AED", "AED 129.00")],
)
def test_prices_are_written_as_people_do(amount: str, currency: str, written: str) -> None:
    assert money(amount, currency) == written


def test_the_brand_is_not_said_twice() -> None:
    kettle = SHOP.get("kettle-gooseneck")
    assert kettle is not None
    assert kettle.title == "Gooseneck Kettle 0.9 L – Matt Black, Beech Handle"
    assert short_title(kettle.title) == "Gooseneck Kettle 0.9 L"
    assert all(each.title for each in SHOP)


def test_pictures_are_made_for_the_web() -> None:
    for item in SHOP:
        assert item.picture is not None
    kettle = SHOP.get("kettle-gooseneck")
    assert kettle is not None
    assert kettle.picture is not None
    assert picture_webp(kettle.picture)[8:12] == b"WEBP"


def test_what_is_like_a_product_is_not_that_product() -> None:
    headphones = SHOP.get("headphones")
    assert headphones is not None
    likes = SHOP.similar(headphones, 4)
    assert headphones not in likes
    assert "mechanical-keyboard" in {each.product.product_id for each in likes}


def test_shares_sum_to_one() -> None:
    assert shares(state(scores={"calm-home": 3.0, "athletic": 1.0})) == {"calm-home": 0.75, "athletic": 0.25}
    assert shares(state()) == {}


def test_the_strongest_taste_and_the_last_product_are_the_reason() -> None:
    known = state(scores={"night-owl-tech": 3.0, "athletic": 1.0}, touched={"football": 1, "headphones": 2})
    assert why(known, shown("headphones", "night-owl-tech"), SHOP) == [
        "Night owl is your strongest taste: 75 % of what you did here.",
        "One Wireless Over-Ear Headphones ANC 40h is what you looked at last that belongs there.",
    ]


def test_a_purchase_is_told_as_the_reason() -> None:
    known = state(
        scores={"night-owl-tech": 3.0},
        touched={"desk-lamp": 1, "headphones": 2},
        purchased={"headphones": 10},
    )
    assert "was bought" in why(known, shown("desk-lamp", "night-owl-tech"), SHOP)[1]
    assert "most typical" in why(known, shown("mechanical-keyboard", "night-owl-tech"), SHOP)[1]


def test_a_taste_that_holds_by_the_margin_is_told_so() -> None:
    known = state(scores={"night-owl-tech": 3.0, "athletic": 3.1}, touched={"headphones": 1})
    assert "Athletic is ahead by less than the margin" in why(known, shown("headphones", "night-owl-tech"), SHOP)[0]
