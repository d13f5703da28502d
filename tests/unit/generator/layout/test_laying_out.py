"""Every combination is readable, complete and of the right size."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from bannerstream.contracts.sizes import BILLBOARD, LEADERBOARD, RECTANGLE, SIZES, SQUARE, BannerSize
from bannerstream.contracts.variants import CREATIVES, HEADLINES, TEMPLATES, Creative, Template
from bannerstream.generator.errors import NoFontForScript
from bannerstream.generator.gates.judge import GateJudge, text_contrast
from bannerstream.generator.layout import fonts, lay_out, plan, template_names
from bannerstream.generator.layout.colours import rgb
from bannerstream.generator.layout.planner import shape_of
from bannerstream.generator.layout.templates import WITH_PRODUCT
from bannerstream.generator.pipeline.ports import ComposedBanner, ProductImage
from tests.support.scenery import COHORTS, WORDS, cut_out, photograph, scene

by_name = pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)


def compose(
    size: BannerSize,
    *,
    seed: int = 0,
    kind: str = "dark",
    product: ProductImage | None = None,
    locale: str = "en",
    **words: str,
) -> ComposedBanner:
    composition = plan(size, variant="a", seed=seed, has_product=product is not None, locale=locale)
    copy = msgspec.structs.replace(WORDS, **words)
    cohort = COHORTS[seed % len(COHORTS)]
    return lay_out(scene(size, kind), composition, copy, cohort, product, locale=locale)


def test_every_template_is_chosen_by_some_seed() -> None:
    chosen = {
        plan(size, variant="a", seed=seed, has_product=has_product).template
        for size in SIZES
        for seed in range(120)
        for has_product in (True, False)
    }
    never_mirrored = {name for name in template_names() if "-end" in name} - chosen
    assert {name for name in template_names() if "-start" in name} <= chosen
    assert len({name.split("-")[0] for name in chosen if "words" not in name}) >= 4
    assert all(name.replace("-end", "-start") in chosen for name in never_mirrored)


def test_the_same_seed_plans_the_same_banner() -> None:
    assert plan(SQUARE, variant="a", seed=9, has_product=True) == plan(SQUARE, variant="a", seed=9, has_product=True)


@pytest.mark.parametrize("kind", ["dark", "light", "restless"])
@by_name
def test_words_read_on_any_scene_and_stay_inside(size: BannerSize, kind: str) -> None:
    for seed in range(0, 24, 3):
        for product in (cut_out(), None):
            banner = compose(size, seed=seed, kind=kind, product=product)
            assert banner.pixels.shape == (size.height, size.width, 3)
            assert text_contrast(banner) >= 4.5, banner.composition.template
            for text in banner.text_lines:
                assert text.box.x >= 0
                assert text.box.y >= 0
                assert text.box.x + text.box.width <= size.width
                assert text.box.y + text.box.height <= size.height


HEADLINES_OF = {
    "en": "Slow mornings, warm hands",
    "de": "Rindfleischetikettierung leicht gemacht",
    "ar": "صباح هادئ ودفء بين يديك",
    "ja": "手びねりの陶器のマグカップ",
    "ru": "Тёплые руки медленным утром",
}


@pytest.mark.parametrize("language", HEADLINES_OF)
@pytest.mark.parametrize("template", TEMPLATES)
def test_the_gates_hold_for_every_template_style_and_language(template: Template, language: str) -> None:
    for at, size in enumerate(SIZES, list(HEADLINES_OF).index(language)):
        headline, cohort, kind = HEADLINES[at % 3], COHORTS[at % 3], ("dark", "light", "restless")[at % 3]
        variant = Creative(template, headline).variant
        composition = plan(size, variant=variant, seed=at, has_product=True, locale=language)
        copy = msgspec.structs.replace(WORDS, headline=HEADLINES_OF[language])
        painting = scene(size, kind)
        banner = lay_out(painting, composition, copy, cohort, cut_out((120, 160, 60)), locale=language)
        failed = [score for score in GateJudge().judge(banner, painting, 1000) if not score.passed]
        assert not failed, (composition.template, variant, failed)
        drawn = {text.role for text in banner.text_lines}
        assert {"headline", "call_to_action", "price"} <= drawn
        for text in banner.text_lines:
            box = text.box
            assert box.x >= 0 <= box.y
            assert box.x + box.width <= size.width
            assert box.y + box.height <= size.height


def test_a_variant_asks_for_its_template_in_every_size_that_has_it() -> None:
    for creative in CREATIVES:
        for size in SIZES:
            composition = plan(size, variant=creative.variant, seed=3, has_product=True)
            assert composition.creative == creative
            if creative.template != "frost":
                assert composition.template.startswith(f"{creative.template}-")


def test_an_offer_shows_its_saving_in_a_badge_off_the_words() -> None:
    composition = plan(BILLBOARD, variant="open-offer-natural", seed=0, has_product=True)
    banner = lay_out(scene(BILLBOARD, "light"), composition, WORDS, COHORTS[0], cut_out())
    saving = next(text for text in banner.text_lines if text.role == "saving")
    assert banner.product is not None
    assert saving.box.x > banner.product.x
    assert rgb(saving.colour) == (255, 255, 255)
    assert not any(_overlap(saving.box, text.box) for text in banner.text_lines if text is not saving)


def test_a_badge_that_would_hide_much_of_the_product_gives_way_to_the_price_line() -> None:
    composition = plan(LEADERBOARD, variant="open-offer-natural", seed=0, has_product=True)
    banner = lay_out(scene(LEADERBOARD, "light"), composition, WORDS, COHORTS[0], cut_out())
    assert banner.product is not None
    assert not any(_overlap(text.box, banner.product) for text in banner.text_lines)


def test_a_light_headline_is_thinner_than_a_bold_one() -> None:
    inked = {}
    for style in ("bold", "light"):
        composition = plan(BILLBOARD, variant=f"panel-{style}-natural", seed=0, has_product=True)
        banner = lay_out(scene(BILLBOARD, "dark"), composition, WORDS, COHORTS[0], cut_out())
        headline = next(text for text in banner.text_lines if text.role == "headline")
        assert headline.bold == (style == "bold")
        box = headline.box
        region = banner.pixels[int(box.y) : int(box.y + box.height), int(box.x) : int(box.x + box.width)]
        inked[style] = (region.min(axis=2) > 200).mean()
    assert inked["light"] < 0.85 * inked["bold"]


@by_name
def test_headline_and_button_are_always_there(size: BannerSize) -> None:
    long = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz für Fortgeschrittene und alle anderen"
    for seed in range(8):
        for product in (cut_out(), None):
            banner = compose(size, seed=seed, product=product, headline=long[:80], line=long)
            roles = {text.role for text in banner.text_lines}
            assert {"headline", "call_to_action"} <= roles


def _overlap(a: object, b: object) -> bool:
    return (
        a.x + 1 < b.x + b.width - 1  # type: ignore[attr-defined]
        and b.x + 1 < a.x + a.width - 1  # type: ignore[attr-defined]
        and a.y + 1 < b.y + b.height - 1  # type: ignore[attr-defined]
        and b.y + 1 < a.y + a.height - 1  # type: ignore[attr-defined]
    )


@by_name
def test_no_two_roles_lie_over_each_other(size: BannerSize) -> None:
    for seed in range(16):
        for product in (cut_out(), None):
            texts = compose(size, seed=seed, product=product).text_lines
            for number, one in enumerate(texts):
                for other in texts[number + 1 :]:
                    assert one.role == other.role or not _overlap(one.box, other.box), (one, other)


def test_words_beside_the_product_do_not_touch_it() -> None:
    # Mirrored words start at their box's edge, so a bright product there would be their background.
    beside = {"column", "row", "flank"}
    for template in WITH_PRODUCT:
        if template.product is None or template.arrangement not in beside or template.shape == "square":
            continue  # a square's words stand over or under its product
        (left, _, width, _), (start, _, breadth, _) = template.text, template.product
        assert max(start - left - width, left - start - breadth) >= 0.015 - 1e-9, (template.look, template.shape)


def test_boxes_hold_the_ink_and_nothing_is_drawn_outside_of_them() -> None:
    banner = compose(BILLBOARD, seed=0, kind="dark")
    headline = next(text for text in banner.text_lines if text.role == "headline")
    near = np.abs(banner.pixels.astype(int) - rgb(headline.colour)).max(axis=2) < 12
    rows, columns = np.nonzero(near[int(headline.box.y) - 4 : int(headline.box.y + headline.box.height) + 4])
    assert rows.min() + int(headline.box.y) - 4 >= headline.box.y - 1
    assert columns.min() >= headline.box.x - 1
    assert columns.min() <= headline.box.x + 4


@by_name
def test_right_to_left_words_stand_right_aligned(size: BannerSize) -> None:
    banner = compose(
        size,
        product=cut_out(),
        locale="ar",
        headline="صباح هادئ ودفء بين يديك",
        line="كوب من Hearth بسعة 350 مل",
        call_to_action="اكتشف",
    )
    assert banner.composition.right_to_left
    if "spot-square" not in banner.composition.template:
        ends = {round(t.box.x + t.box.width) for t in banner.text_lines if t.role in {"headline", "line"}}
        assert max(ends) - min(ends) <= 4
    assert text_contrast(banner) >= 4.5


def test_a_sign_at_the_end_of_arabic_words_is_drawn_on_their_left() -> None:
    cohort, composition = COHORTS[0], plan(BILLBOARD, variant="a", seed=0, has_product=False, locale="ar")
    painting = scene(BILLBOARD, "dark")
    words = msgspec.structs.replace(WORDS, headline="اكتشف —", line="", eyebrow="", price="")
    with_dash = lay_out(painting, composition, words, cohort, None, locale="ar")
    box = next(text.box for text in with_dash.text_lines if text.role == "headline")
    left, width, height = int(box.x), int(box.width), int(box.height)
    inked = with_dash.pixels[int(box.y) : int(box.y) + height, left : left + width].max(axis=2) > 200
    fifth = width // 5
    assert 0 < inked[:, :fifth].any(axis=1).sum() < 0.3 * inked[:, -fifth:].any(axis=1).sum()


def test_japanese_breaks_between_characters_but_never_before_a_closing_mark() -> None:
    banner = compose(
        RECTANGLE, locale="ja", headline="電子レンジも食洗機も使える、手びねりの陶器のマグカップ。", line=""
    )
    lines = [text.text for text in banner.text_lines if text.role == "headline"]
    assert len(lines) > 1
    assert all(line[0] not in "、。」ー" for line in lines)


def test_a_script_without_a_font_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_system_fonts", dict)
    monkeypatch.setattr(fonts, "_in_package", lambda *_: None)
    fonts._face_for.cache_clear()
    try:
        with pytest.raises(NoFontForScript, match="fonts-noto-cjk"):
            compose(BILLBOARD, headline="陶器", line="")
    finally:
        fonts._face_for.cache_clear()


def test_markup_controls_and_emoji_in_words_do_no_harm() -> None:
    nasty = 'A <b>&"\u202emug\u202c\x07 🎉 </text>'
    banner = compose(BILLBOARD, headline=nasty, line=nasty, eyebrow="🎉", call_to_action="🎉")
    drawn = " ".join(text.text for text in banner.text_lines)
    assert "\u202e" not in drawn
    assert "<b>&" in drawn
    assert "🎉" not in drawn


@by_name
def test_a_photograph_keeps_its_proportions_and_stays_whole(size: BannerSize) -> None:
    for seed in range(6):
        banner = compose(size, seed=seed, product=photograph())
        assert banner.product is not None
        assert banner.product.width / banner.product.height == pytest.approx(1.5, rel=0.05)
        x, width = int(banner.product.x), int(banner.product.width)
        top = banner.pixels[int(banner.product.y + banner.product.height * 0.25), x + width // 2].astype(int)
        foot = banner.pixels[int(banner.product.y + banner.product.height * 0.75), x + width // 2].astype(int)
        assert top[0] > 150 > top[2]
        assert foot[2] > 150 > foot[0]


def test_the_shadow_falls_away_from_the_light() -> None:
    composition = plan(BILLBOARD, variant="a", seed=0, has_product=True)
    assert composition.product is not None
    painting = scene(BILLBOARD, "light")
    sums = {}
    for side in ("left", "right"):
        lit = replace(painting, light_side=side)
        with_product = lay_out(lit, composition, WORDS, COHORTS[0], cut_out())
        without = lay_out(lit, composition, WORDS, COHORTS[0], None)
        darker = (without.pixels.astype(int) - with_product.pixels).sum(axis=2)
        assert with_product.product is not None
        left = int(with_product.product.x)
        right = int(with_product.product.x + with_product.product.width)
        sums[side] = (darker[:, left - 40 : left].sum(), darker[:, right : right + 40].sum())
    assert sums["left"][1] > sums["left"][0]
    assert sums["right"][0] > sums["right"][1]


def test_nothing_is_laid_over_a_painting_that_holds_the_product() -> None:
    painting = replace(scene(SQUARE, "light"), holds_product=True)
    composition = plan(SQUARE, variant="a", seed=0, has_product=True)
    assert lay_out(painting, composition, WORDS, COHORTS[0], cut_out()).product is None


def test_an_invisible_product_counts_as_none_and_fails_its_gate() -> None:
    empty = ProductImage(np.zeros((20, 20, 4), np.uint8), cut_out=True)
    painting = scene(SQUARE, "dark")
    banner = lay_out(painting, plan(SQUARE, variant="a", seed=0, has_product=True), WORDS, COHORTS[0], empty)
    assert banner.product is None
    failed = {score.gate for score in GateJudge().judge(banner, painting, 1000) if not score.passed}
    assert failed == {"product_share", "product_distinct"}


def test_the_painting_is_left_as_it_was() -> None:
    painting = scene(LEADERBOARD, "light")
    before = painting.pixels.copy()
    lay_out(painting, plan(LEADERBOARD, variant="a", seed=1, has_product=True), WORDS, COHORTS[1], cut_out())
    assert np.array_equal(painting.pixels, before)


@pytest.mark.parametrize(("width", "height"), [(160, 600), (300, 600), (320, 50), (970, 90), (1200, 628), (1080, 1920)])
def test_sizes_that_are_not_in_the_list_yet_come_out_readable(width: int, height: int) -> None:
    size = BannerSize(width, height, 150_000)
    assert shape_of(size) in {"strip", "wide", "compact", "square"}
    assert text_contrast(compose(size, product=cut_out())) >= 4.5
