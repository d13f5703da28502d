"""Describes products by rules and word lists: no model, about a tenth of a millisecond a title.

Finds the good that is sold (the head noun), takes colours, materials and styles for attributes, and sets it where it
is at home. Words that the lists do not know change nothing, so that a title cannot tell it what to do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers import vocabulary
from bannerstream.generator.describers.titles import GAP, Segment, clean, segments

REVISION = "lexicon@2"
"""Raise it when rules or lists change what comes out: kept descriptions are then written anew."""

MAX_ATTRIBUTES = 6
"""More only blur the picture; the contract allows 8."""

_LONGEST_PHRASE = 3
_SHORTEST_COMPOUND_HEAD = 4
"""Letters of a German noun that may end a compound: shorter ones end too many other words."""


@dataclass(frozen=True, slots=True)
class Good:
    """A good found in a title: which words it takes up, and its English name."""

    name: str
    start: int
    end: int
    material: bool
    """Its name is a material too (glass, canvas): last in a row it describes the good before it."""

    @property
    def modifies(self) -> bool:
        """Tell whether it rather describes another good: "coffee mug", "inflatable flamingo pool float"."""
        return self.material or self.name in vocabulary.MODIFIERS or self.name in vocabulary.ATTRIBUTES["en"]


class LexiconDescriber:
    """Describes products without a model."""

    revision = REVISION

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order. Any title will do; the category stands in for a good."""
        return [_describe(product) for product in products]


def _describe(product: Product) -> Description:
    language = product.locale.partition("-")[0]
    found: Good | None = None
    for spoken in (language, *(each for each in vocabulary.GOODS if each != language)):
        found = head_of(product, spoken)
        if found is not None:
            language = spoken
            break
    category_setting = _setting_of_category(product.category)
    subject, name = (found.name, found.name.split()[-1]) if found else _of_category(product.category, category_setting)
    return Description(
        subject=named(subject),
        attributes=_attributes(product, language, taken=frozenset(subject.split()) | {name}),
        setting=_setting(product, subject if found else None, category_setting),
        describer=REVISION,
    )


def head_of(product: Product, language: str) -> Good | None:
    """Return the good that a title sells, as a title of this language is built."""
    if language in vocabulary.UNSPACED:
        return _head_within(clean(product.title), vocabulary.GOODS[language])
    for brand in (product.brand, None):
        for segment in segments(product.title, brand):
            if (found := _head_of(segment, language)) is not None:
                return found
    return None


def _head_of(segment: Segment, language: str) -> Good | None:
    segment = _opened(segment)
    until = next((at for at, word in enumerate(segment) if at and word in vocabulary.STOP_AT), len(segment))
    goods = goods_of(segment, language)
    if not goods:
        return None
    if language in vocabulary.HEAD_FIRST:
        return goods[0]
    rows = _rows([good for good in goods if good.start < until] or goods)
    heads = [_head_of_row(row) for row in rows]
    head = next((head for head in heads if not head.modifies), heads[0])
    return _with_modifier(head, segment)


def _opened(segment: Segment) -> Segment:
    """Return what is in the box: "set of 6 wine glasses" sells wine glasses."""
    for at, word in enumerate(segment[:-1]):
        if word == "of" and at and (segment[at - 1] in vocabulary.CONTAINERS or segment[at - 1] == GAP):
            return segment[at + 1 :] if any(segment[at + 1 :]) else segment[: at - 1]
    return segment


def _rows(goods: Sequence[Good]) -> list[list[Good]]:
    """Return the goods grouped into rows of neighbours: "desk lamp shade"."""
    rows: list[list[Good]] = []
    for good in goods:
        if rows and rows[-1][-1].end == good.start:
            rows[-1].append(good)
        else:
            rows.append([good])
    return rows


def _head_of_row(row: list[Good]) -> Good:
    """Return the last of a row, with the modifier before it as part of its name: "dog bed"."""
    kept = row
    while len(kept) > 1 and kept[-1].material:
        kept = kept[:-1]
    head = kept[-1]
    if len(kept) > 1 and kept[-2].modifies and " " not in head.name:
        return Good(f"{kept[-2].name} {head.name}", kept[-2].start, head.end, head.material)
    return head


def _with_modifier(head: Good, segment: Segment) -> Good:
    """Return the head with the word before it where that is for what it is made: "cat bowl"."""
    before = segment[head.start - 1] if head.start else GAP
    if before not in vocabulary.MODIFIERS or " " in head.name:
        return head
    return Good(f"{before} {head.name}", head.start - 1, head.end, head.material)


def goods_of(segment: Segment, language: str) -> list[Good]:
    """Return every good that is named in a segment, in order."""
    found: list[Good] = []
    at = 0
    while at < len(segment):
        good = _good_at(segment, at, language)
        described = _attribute_at(segment, at, vocabulary.ATTRIBUTES["en"])[0]
        if good is not None and good.end - at >= described:  # "dishwasher safe" sells no dishwasher
            found.append(good)
            at = good.end
        else:
            at += described
    return found


def _good_at(segment: Segment, at: int, language: str) -> Good | None:
    """Return the good whose name starts here: the longest phrase first, then a German compound's last part."""
    table = vocabulary.GOODS.get(language, {})
    for length in range(min(_LONGEST_PHRASE, len(segment) - at), 0, -1):
        phrase = segment[at : at + length]
        for form in _singulars(" ".join(phrase)):
            name = table.get(form) or vocabulary.GOODS["en"].get(form)
            if name is not None:
                return Good(name, at, at + length, form in vocabulary.MATERIALS)
    if language == "de":
        word = segment[at]
        for cut in range(1, len(word) - _SHORTEST_COMPOUND_HEAD + 1):
            for form in _german_forms(word[cut:]):
                if len(form) >= _SHORTEST_COMPOUND_HEAD and form in table:
                    whole = f"{word[:cut]} {table[form]}"  # "Winterjacke" is a good of its own in English, too
                    return Good(vocabulary.GOODS["en"].get(whole, table[form]), at, at + 1, material=False)
    return None


def _head_within(text: str, table: Mapping[str, str]) -> Good | None:
    """Return the good named last in a text without spaces; of two that end together, the longer."""
    found = [
        Good(name, start, start + len(word), material=False)
        for word, name in table.items()
        if (start := text.rfind(word)) >= 0
    ]
    first_segment = [good for good in found if good.end <= len(text.split(" ", maxsplit=1)[0])]
    return max(first_segment or found, key=lambda good: (good.end, good.end - good.start), default=None)


def _singulars(phrase: str) -> Iterable[str]:
    """Yield the phrase, then its last word in what may be its singular."""
    yield phrase
    if phrase.endswith("ss"):
        return
    for plural, singular in (("ies", "y"), ("ves", "f"), ("ves", "fe"), ("es", ""), ("s", "")):
        if phrase.endswith(plural) and len(phrase) > len(plural) + 1:
            yield phrase.removesuffix(plural) + singular


def _german_forms(word: str) -> Iterable[str]:
    yield word
    for ending in ("en", "er", "n", "e", "s"):
        if word.endswith(ending):
            yield word.removesuffix(ending)


def _attributes(product: Product, language: str, taken: frozenset[str]) -> tuple[str, ...]:
    """Return what a title, then its highlights, say about colour, material and style."""
    found: list[str] = []
    for text in (product.title, *product.highlights):
        if language in vocabulary.UNSPACED:
            table = vocabulary.ATTRIBUTES[language]
            found += [table[word] for word in sorted((word for word in table if word in text), key=text.index)]
        for segment in segments(text, product.brand):
            found += _attributes_of(segment, language)
    distinct = dict.fromkeys(each for each in found if each not in taken)
    return tuple(distinct)[:MAX_ATTRIBUTES]


def _attributes_of(segment: Segment, language: str) -> list[str]:
    table = vocabulary.ATTRIBUTES.get(language, {})
    found: list[str] = []
    at = 0
    while at < len(segment):
        length, name = _attribute_at(segment, at, table)
        before, after = (segment[at - 1] if at else ""), (segment[at + length] if at + length < len(segment) else "")
        if name is not None and before not in vocabulary.NEGATIONS and after not in vocabulary.NEGATED_BY_NEXT:
            found.append(name)
        at += length
    return found


def _attribute_at(segment: Segment, at: int, table: Mapping[str, str]) -> tuple[int, str | None]:
    for length in range(min(_LONGEST_PHRASE, len(segment) - at), 0, -1):
        phrase = " ".join(segment[at : at + length])
        name = table.get(phrase) or vocabulary.ATTRIBUTES["en"].get(phrase)
        if name is not None:
            return length, name
    return 1, None


def _setting(product: Product, good: str | None, category_setting: str | None) -> str:
    """Return where the product is at home: what the title says of the season, the good's own place, the category's."""
    words = [word for segment in segments(product.title, product.brand) for word in segment]
    hinted = [vocabulary.SETTING_HINTS[word] for word in words if word in vocabulary.SETTING_HINTS]
    home = (vocabulary.HOME.get(good) or vocabulary.HOME.get(good.split()[-1])) if good else None
    if "festive" in hinted:
        return "festive"
    if home is not None and home != "studio":
        return home
    return next(iter(hinted), None) or category_setting or home or "studio"


def _of_category(category: str, setting: str | None) -> tuple[str, str]:
    """Return what to call a product by its category alone."""
    good = _head_of(tuple(category.replace("_", "-").split("-")), "en")
    subject = good.name if good else vocabulary.CATEGORY_SUBJECTS[setting or "studio"]
    return subject, subject


def _setting_of_category(category: str) -> str | None:
    known = vocabulary.CATEGORY_SETTINGS
    return next((known[word] for word in category.replace("_", "-").split("-") if word in known), None)


def named(subject: str) -> str:
    """Return a subject as it is called: what is sold in pairs, in the plural."""
    return f"{subject}s" if subject.rsplit(maxsplit=1)[-1] in vocabulary.PAIRED else subject
