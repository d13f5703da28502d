"""Lets a language model write what a product is, under a grammar, so that its output always parses.

The model writes subject and attributes in one pass: xgrammar masks every token but lower-case words in that form. The
setting is chosen among the twelve. A subject that neither the record nor the lexicon holds is rejected: the lexicon
describes that product, and the description records why. Attributes that neither supports are dropped. So a malicious
title can make the model repeat words of the title, and nothing else.
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
"""The text that may follow "Subject:"."""

_LONGEST = 64
"""Tokens: four words, six attributes and separators. Models that spell letter by letter need more."""
_RECORD = 4000
"""Characters of a record in which words are looked up."""


class WritingDescriber:
    """Describes products in a model's own words."""

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
        """Return the model's description if the record supports it, else the lexicon's."""
        record = f"{product.title[:_RECORD]} {product.category} {' '.join(product.highlights)} {product.description}"
        known = set(re.findall(r"\w+", clean(record[:_RECORD]).casefold()))
        (fallback,) = self._lexicon.describe([product])
        if (objection := _objection(subject, known)) is not None:
            return msgspec.structs.replace(fallback, fallback_reason=f"{self.revision}: {objection}"[:300])
        grounded = [word for word in attributes if _grounded(word, known) or word in fallback.attributes]
        believed = [word for word in grounded if word != subject]
        return Description(
            subject=subject, attributes=tuple(believed[:MAX_ATTRIBUTES]), setting=setting, describer=self.revision
        )


def _parsed(text: str | None) -> tuple[str, list[str]]:
    """Return subject and attributes of a text that matches the grammar; an empty subject if the text is unfinished."""
    if text is None:
        return "", []
    subject, _, rest = text.strip().partition("\nAttributes:")
    return subject, list(dict.fromkeys(word.strip() for word in rest.split(",") if word.strip()))


def _objection(subject: str, known: set[str]) -> str | None:
    """Return why a subject is rejected, or None."""
    if not subject:
        return "the model did not come to an end"
    if not _grounded(subject.rpartition(" ")[2], known) and subject not in vocabulary.HOME:
        return f"the subject {subject[:60]!r} is neither in the record nor a known good"
    return None


def _grounded(phrase: str, known: set[str]) -> bool:
    """Return whether a record holds every word of a phrase, in singular or plural."""
    return all({word, f"{word}s", f"{word}es", word.removesuffix("s")} & known for word in re.split(r"[ -]", phrase))
