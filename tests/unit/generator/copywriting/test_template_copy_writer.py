"""Copy states what the record states, and nothing else."""

import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bannerstream.contracts.catalog import Cohort, Price, Product
from bannerstream.contracts.codecs import canonical_json
from bannerstream.generator.copywriting import TemplateCopyWriter
from bannerstream.generator.copywriting.phrases import Phrases, languages, phrases_for
from bannerstream.generator.copywriting.titles import columns, core_name, shortened

WRITER = TemplateCopyWriter()
CLAIMS = re.compile(
    r"\b(best|new|sale|free|cheap\w*|save|offer|bestseller|no\.? ?1|guarantee\w*|exclusive|limited|only|neue[rsnm]?|"
    r"beste\w*|angebot|rabatt|gratuit\w*|nouveau\w*|meilleur\w*|promo\w*|soldes|nuevo|mejor|oferta|gratis)\b|[%\d$€£¥]",
    re.IGNORECASE,
)

amounts = st.decimals(0, 9999, places=2).map(str)
titles = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=200).filter(str.strip)
shop_titles = st.from_regex(
    r"([A-Z][a-z]{2,9}|[0-9]{1,3} ?(ml|cm|pcs)|[A-Z]{2}-[0-9]{3})( [A-Za-z0-9]{1,9}){0,14}", fullmatch=True
)
prices = st.builds(
    Price, amount=amounts, currency=st.sampled_from(["EUR", "USD", "JPY", "CHF"]), was=st.one_of(st.none(), amounts)
)
products = st.builds(
    Product,
    product_id=st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True),
    title=st.one_of(titles, shop_titles),
    category=st.sampled_from(["mugs", "kitchen", "garden-tools", "kids", "x9s", "glass", "electronics"]),
    cohorts=st.just({"a": 1.0}),
    highlights=st.lists(st.text("abc 0123456789%€", min_size=1, max_size=60), max_size=4).map(tuple),
    brand=st.one_of(st.none(), st.from_regex(r"[A-Z][a-z&0-9 ]{0,20}[a-z]", fullmatch=True)),
    price=st.one_of(st.none(), prices),
)  # fmt: skip
moods = st.sampled_from(
    [("calm",), ("bold", "fresh"), ("Refined taste",), ("playful",), ("rugged",), ("practical",), ("xyz",)]
)


def cohort(mood: tuple[str, ...] = ("calm",), cohort_id: str = "c") -> Cohort:
    return Cohort(cohort_id=cohort_id, name="C", mood=mood, palette=("#ffffff", "#aaaaaa", "#000000"))


def mug(**fields: object) -> Product:
    record: dict[str, object] = {
        "product_id": "mug",
        "title": "Stoneware mug",
        "category": "mugs",
        "cohorts": {"a": 1.0},
    }
    return Product(**{**record, **fields})  # type: ignore[arg-type]


@settings(deadline=None)
@given(products, moods, st.sampled_from(["en", "de", "fr", "es", "ar", "ja", "pt-BR", "ko"]))
def test_every_number_comes_from_the_record(product: Product, mood: tuple[str, ...], locale: str) -> None:
    words = WRITER.write(product, cohort(mood), locale)
    record = canonical_json(product).decode()
    facts = " ".join([product.title, *product.highlights, product.brand or "", *re.findall(r"[\w.]+", record)])
    for number in re.findall(r"\d+", f"{words.headline} {words.line} {words.eyebrow} {words.call_to_action}"):
        assert number in facts
    price = product.price
    if price is None:
        assert words.price == words.former_price == words.saving == ""
        return
    assert Decimal(_plain(words.price)) == Decimal(price.amount)
    if price.was is None or Decimal(price.was) <= Decimal(price.amount):
        assert not words.former_price
        assert not words.saving
    else:
        assert Decimal(_plain(words.former_price)) == Decimal(price.was)
        if words.saving:
            stated = int(re.sub(r"\D", "", words.saving))
            true = (Decimal(price.was) - Decimal(price.amount)) * 100 / Decimal(price.was)
            assert stated <= true < stated + 1


def _plain(price: str) -> str:
    digits = re.sub(r"[^\d.,]", "", price)
    cents = re.search(r"[.,](\d{2})$", digits)
    whole = re.sub(r"\D", "", digits[: cents.start()] if cents else digits)
    return f"{whole}.{cents.group(1)}" if cents else whole


@settings(deadline=None)
@given(products, moods, st.sampled_from(["en", "de", "ja"]))
def test_copy_fits_its_contract_and_is_always_the_same(product: Product, mood: tuple[str, ...], locale: str) -> None:
    words = WRITER.write(product, cohort(mood), locale)
    assert 1 <= len(words.headline) <= 80
    assert len(words.line) <= 140
    assert 1 <= len(words.call_to_action) <= 40
    assert words == WRITER.write(product, cohort(mood), locale)


@pytest.mark.parametrize("language", languages())
def test_phrases_claim_nothing(language: str) -> None:
    phrases = phrases_for(language)
    assert phrases is not None
    for tone, lives in phrases.mood.items():
        for line in (line for lines in lives.values() for line in lines):
            assert not CLAIMS.search(line), (tone, line)
            assert columns(line) <= 40
            assert Phrases.script_of(line) == phrases.script
    for call in phrases.calls:
        assert not CLAIMS.search(call)
        assert len(call) <= 24


@pytest.mark.parametrize("language", languages())
def test_every_language_has_every_tone(language: str) -> None:
    english, phrases = phrases_for("en"), phrases_for(language)
    assert english is not None
    assert phrases is not None
    assert set(phrases.mood) == set(english.mood) == set(english.tones.values())
    assert all(len(lives["any"]) >= 3 for lives in phrases.mood.values())


def test_two_cohorts_seldom_get_the_same_headline() -> None:
    headlines = [
        WRITER.write(mug(product_id=f"p{n}", title=f"Mug {n}"), cohort(mood, f"c{mood[0]}"), "en").headline
        for n in range(20)
        for mood in (("calm",), ("bold",), ("refined",))
    ]
    same = sum(len(set(headlines[n : n + 3])) < 3 for n in range(0, 60, 3))
    assert same <= 5


def test_a_title_in_another_script_gets_no_mood_line_beside_it() -> None:
    for number in range(20):
        words = WRITER.write(mug(product_id=f"p{number}", title="手びねりの陶器"), cohort(), "en")
        assert words.headline == "手びねりの陶器"


def test_calls_to_action_speak_the_locale_and_fall_back_to_english() -> None:
    german = phrases_for("de")
    assert german is not None
    assert WRITER.write(mug(), cohort(), "de-AT").call_to_action in german.calls
    assert "mugs" in WRITER.write(mug(), cohort(), "sw").call_to_action


@pytest.mark.parametrize(
    ("title", "brand", "short"),
    [
        ("Hearth Terracotta Mug 350 ml (Pack of 2) HC-350X, oven proof", "Hearth", "Terracotta Mug 350 ml, oven proof"),
        ("Enamel Camping Mug, 12 oz, Speckled Blue, Lightweight", None, "Enamel Camping Mug, Speckled Blue"),
        ("Tee", "Tee", "Tee"),
        ("500 ml", None, "500 ml"),
        ("Wool blanket with fringes for the sofa and the bed in winter", None, "Wool blanket with fringes"),
        ("Donaudampfschifffahrtsgesellschaftskapitän", None, "Donaudampfschifffahrtsgesellschafts…"),
    ],
)  # fmt: skip
def test_titles_lose_noise_first(title: str, brand: str | None, short: str) -> None:
    assert shortened(title, brand=brand, limit=36) == short


@given(titles, st.integers(8, 60))
def test_short_titles_are_short_and_never_empty(title: str, limit: int) -> None:
    short = shortened(title, brand=None, limit=limit)
    assert short
    assert columns(short) <= limit


@pytest.mark.parametrize(
    ("title", "brand", "name"),
    [
        ("Pelikano Inflatable Beach Ball Ø 50 cm, Sunset Stripes", "Pelikano", "Inflatable Beach Ball"),
        ("ALDERMOOR Gooseneck Kettle 0.9 L – Matt Black, Beech Handle", "Aldermoor", "Gooseneck Kettle"),
        ("Refillable Soap Dispenser 400ml | Amber Glass", None, "Refillable Soap Dispenser"),
        ("Garden Chair with Armrests", None, "Garden Chair"),
        ("شمعة معطرة «نور» بالعنبر والعود ٢٢٠ غ – زجاج أحمر", None, "شمعة معطرة «نور» بالعنبر والعود"),
        ("ヤマノオト 真空断熱ボトル 750ml フォレストグリーン", None, "ヤマノオト 真空断熱ボトル"),
        ("Tee, organic cotton", None, "Tee, organic cotton"),
        ("500 ml", None, "500 ml"),
        (
            "Traditional Powder-Coated Galvanised Steel Garden Watering Can, Green",
            None,
            "Galvanised Steel Garden Watering Can",
        ),
    ],
)
def test_a_name_ends_before_the_first_detail(title: str, brand: str | None, name: str) -> None:
    assert core_name(title, brand=brand, limit=36) == name


def test_a_name_too_long_keeps_its_noun_where_the_language_puts_it() -> None:
    title = "Pot de fleurs traditionnel en terre cuite émaillée, vert"
    assert core_name(title, brand=None, limit=26, head_first=True) == "Pot de fleurs traditionnel"


def test_an_accessory_is_never_named_after_what_it_is_for() -> None:
    title = "Protective Replacement Case for Samsung Galaxy S23 Ultra Smartphone, Black"
    assert core_name(title, brand=None, limit=36) == "Protective Replacement Case"
    assert (
        core_name("Ersatzdeckel für Bodum French Press Kaffeebereiter, schwarz", brand=None, limit=24) == "Ersatzdeckel"
    )


@given(titles, st.integers(8, 60), st.booleans())
def test_names_are_short_and_never_empty(title: str, limit: int, head_first: bool) -> None:
    name = core_name(title, brand=None, limit=limit, head_first=head_first)
    assert name
    assert columns(name) <= limit


def test_the_tone_is_that_of_most_mood_words_and_a_phrase_counts_as_one() -> None:
    english = phrases_for("en")
    assert english is not None
    outdoors = english.mood_lines(("fresh air", "rugged", "warm"), "x")
    assert set(outdoors) == set(english.mood["wild"]["any"])


def test_nobody_is_asked_to_shop_for_a_shelf() -> None:
    for number in range(12):
        words = WRITER.write(mug(product_id=f"p{number}", title="Yoga mat", category="sports"), cohort(), "en")
        assert "sports" not in words.call_to_action


def test_prices_look_native() -> None:
    dirham = Price(amount="129.00", currency="AED")
    assert WRITER.write(mug(price=dirham), cohort(), "ar-AE").price == "129.00\u00a0د.إ."
    assert WRITER.write(mug(price=dirham), cohort(), "en").price == "129.00\u00a0AED"
    assert WRITER.write(mug(price=Price(amount="5400", currency="JPY")), cohort(), "ja").price == "5,400円"


def test_english_quotation_marks_are_those_of_print() -> None:
    words = WRITER.write(mug(title="Wooden Sled 'Davos' 110 cm"), cohort(("xyz",)), "en")
    assert words.headline == "Wooden Sled ‘Davos’"
