"""Has a language model write what a product is, under a grammar, so that what comes out always parses.

Subject and attributes are written in one go: nothing but lower-case words in that form can be (xgrammar keeps every
other token out). The setting is chosen among the twelve. A subject that neither the record nor the lexicon knows is not
believed: the lexicon describes that product, and the description says so. Attributes that neither bears out are left
out. So a title can make the model write other words of itself, and nothing else.
"""

import re
from collections.abc import Sequence

import msgspec

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers import vocabulary
from bannerstream.generator.describers.choosing_describer import SettingChooser
from bannerstream.generator.describers.language_model import LanguageModel
from bannerstream.generator.describers.lexicon import MAX_ATTRIBUTES, LexiconDescriber
from bannerstream.generator.describers.prompts import prompt_of
from bannerstream.generator.describers.titles import clean

_WORD = "[a-z]{2,20}"
_SUBJECT = f"{_WORD}([ '-]{_WORD}){{0,3}}"
_ATTRIBUTE = f"{_WORD}([ -]{_WORD}){{0,2}}"
GRAMMAR = f" {_SUBJECT}\nAttributes:( {_ATTRIBUTE}(, {_ATTRIBUTE}){{0,{MAX_ATTRIBUTES - 1}}})?\n"
"""What may follow "Subject:"."""

_LONGEST = 64
"""Tokens: four words, six attributes, and what stands between. Models that spell letter by letter do not get there."""
_RECORD = 4000
"""Characters of a record that words are looked up in."""


class WritingDescriber:
    """Describes products by what a model writes."""

    def __init__(self, model: LanguageModel, revision: str) -> None:
        self.revision = revision
        self._model = model
        self._settings = SettingChooser(model)
        self._lexicon = LexiconDescriber()

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return a description per product, in order: the lexicon's, with the reason, where the model's is unusable."""
        prompts = [prompt_of(product) for product in products]
        written = self._model.write([f"{prompt}Subject:" for prompt in prompts], GRAMMAR, _LONGEST)
        parsed = [_parsed(text) for text in written]
        subjects = [subject for subject, _ in parsed]
        settings = self._settings.choose(prompts, subjects)
        return [
            self._checked(product, subject, attributes, setting)
            for product, (subject, attributes), setting in zip(products, parsed, settings, strict=True)
        ]

    def _checked(self, product: Product, subject: str, attributes: Sequence[str], setting: str) -> Description:
        """Return the model's description if it can be believed, else the lexicon's."""
        told = f"{product.title[:_RECORD]} {product.category} {' '.join(product.highlights)} {product.description}"
        known = set(re.findall(r"\w+", clean(told[:_RECORD]).casefold()))
        (fallback,) = self._lexicon.describe([product])
        if (objection := _objection(subject, known)) is not None:
            return msgspec.structs.replace(fallback, fallback_reason=f"{self.revision}: {objection}"[:300])
        believed = [
            each for each in attributes if each != subject and (_grounded(each, known) or each in fallback.attributes)
        ]
        return Description(
            subject=subject, attributes=tuple(believed[:MAX_ATTRIBUTES]), setting=setting, describer=self.revision
        )


def _parsed(text: str | None) -> tuple[str, list[str]]:
    """Return subject and attributes of a text that matches the grammar; no subject where none was finished."""
    if text is None:
        return "", []
    subject, _, rest = text.strip().partition("\nAttributes:")
    return subject, list(dict.fromkeys(each.strip() for each in rest.split(",") if each.strip()))


def _objection(subject: str, known: set[str]) -> str | None:
    """Return why a subject is not to be believed, or None."""
    if not subject:
        return "the model did not come to an end"
    if not _grounded(subject.rpartition(" ")[2], known) and subject not in vocabulary.HOME:
        return f"the subject {subject[:60]!r} is neither in the record nor a known good"
    return None


def _grounded(phrase: str, known: set[str]) -> bool:
    """Tell whether a record says every word of a phrase, give or take a plural."""
    return all({word, f"{word}s", f"{word}es", word.removesuffix("s")} & known for word in re.split(r"[ -]", phrase))
