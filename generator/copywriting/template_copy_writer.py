"""Writes copy from templates, without a model.

A headline is either a mood line, which evokes a moment and claims nothing, or the product's own name, shortened. The
line under it names the product and quotes its highlights. A hash of product and cohort chooses between them: the same
banner always has the same words, and two cohorts rarely share them.
"""

import hashlib
from collections.abc import Sequence

from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.manifest import BannerCopy
from bannerstream.generator.copywriting.phrases import Phrases, phrases_for
from bannerstream.generator.copywriting.prices import former, percent_off, written
from bannerstream.generator.copywriting.titles import columns, core_name, shortened, with_curly_quotes

_HEADLINE_CHARS = 36
_LINE_CHARS = 72
_LINE_NAME_CHARS = 40
"""Width in Latin letters; a CJK character counts as two."""
_HEAD_FIRST = frozenset({"fr", "es", "it", "pt", "ca", "ro", "ar", "he", "vi", "id"})
"""Languages that name the good before its description."""
_NAME_HEADLINES = 4
"""One banner in this many uses the product's name as its headline although mood lines exist."""


class TemplateCopyWriter:
    """Writes copy from templates; implements `generator.pipeline.ports.CopyWriter`."""

    def write(self, product: Product, cohort: Cohort, locale: str) -> BannerCopy:
        """Return the words of a banner: the same for the same product, cohort and locale, always."""
        language = locale.split("-", maxsplit=1)[0]
        head_first = language in _HEAD_FIRST
        name = core_name(product.title, brand=product.brand, limit=_HEADLINE_CHARS, head_first=head_first)
        phrases = phrases_for(language)
        draw = _draw(product, cohort)
        mood_lines = (
            phrases.mood_lines(cohort.mood, product.category) if phrases and _same_script(product, phrases) else ()
        )
        if mood_lines and draw("style", _NAME_HEADLINES):
            headline = mood_lines[draw("mood", len(mood_lines))]
            name = core_name(product.title, brand=product.brand, limit=_LINE_NAME_CHARS, head_first=head_first)
            line = _joined([name, *product.highlights])
        else:
            headline = name
            line = _joined([fact for fact in product.highlights if fact.casefold() not in name.casefold()])
        if language == "en":
            headline, line = with_curly_quotes(headline), with_curly_quotes(line)
        calls = (phrases or _english()).calls_to_action(product.category, product.title)
        return BannerCopy(
            headline=headline,
            line=line,
            call_to_action=calls[draw("call", len(calls))],
            eyebrow=(product.brand or "").strip(),
            price=written(product.price, locale) if product.price else "",
            former_price=former(product.price, locale) if product.price else "",
            saving=percent_off(product.price, locale) if product.price else "",
        )


class _Draw:
    """Draws numbers that depend on product, cohort and purpose only."""

    def __init__(self, product: Product, cohort: Cohort) -> None:
        self._seed = f"{product.product_id}\x00{cohort.cohort_id}"

    def __call__(self, purpose: str, count: int) -> int:
        digest = hashlib.blake2b(f"{self._seed}\x00{purpose}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) % count


def _draw(product: Product, cohort: Cohort) -> _Draw:
    return _Draw(product, cohort)


def _english() -> Phrases:
    english = phrases_for("en")
    if english is None:
        raise AssertionError("the English phrases are part of this package")
    return english


def _same_script(product: Product, phrases: Phrases) -> bool:
    """Return whether mood lines use the script of the product's name: two scripts in one banner look like a mistake."""
    return phrases.script_of(product.title) == phrases.script


def _joined(facts: Sequence[str]) -> str:
    """Join as many facts as fit with a middle dot, without repetitions."""
    line = ""
    for fact in (fact.strip() for fact in facts):
        if not fact or fact.casefold() in line.casefold():
            continue
        longer = f"{line} · {fact}" if line else fact
        if columns(longer) > _LINE_CHARS:
            return line or shortened(fact, brand=None, limit=_LINE_CHARS)
        line = longer
    return line
