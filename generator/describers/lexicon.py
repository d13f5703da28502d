"""Describes products by rules and word lists: no model, about a tenth of a millisecond a title.

Finds the good (the head noun), takes colours, materials and styles as attributes, and picks the good's home setting.
Words outside the lists have no effect, so a title cannot inject instructions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bannerstream.contracts.catalog import Product
from bannerstream.contracts.manifest import Description
from bannerstream.generator.describers import vocabulary
from bannerstream.generator.describers.titles import GAP, Segment, clean, segments

REVISION = "lexicon@2"
"""Raise it when rules or lists change the result, so that kept descriptions are replaced."""

MAX_ATTRIBUTES = 6
"""More only blur the picture; the contract allows 8."""

_LONGEST_PHRASE = 3
_SHORTEST_COMPOUND_HEAD = 4
"""Letters of a German noun that may end a compound: shorter ones end too many other words."""


@dataclass(frozen=True, slots=True)
class Good:
    """A good found in a title: its words' positions and its English name."""

    name: str
    start: int
    end: int
    material: bool
    """Its name is also a material (glass, canvas): last in a row it describes the good before it."""

    @property
    def modifies(self) -> bool:
        """Whether it describes another good: "coffee mug", "inflatable flamingo pool float"."""
        return self.material or self.name in vocabulary.MODIFIERS or self.name in vocabulary.ATTRIBUTES["en"]


class LexiconDescriber:
    """Describes products without a model."""

    revision = REVISION

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order. Any title works; without a known good the category decides."""
        return [_describe(product) for product in products]


def _describe(product: Product) -> Description:
    language = product.locale.partition("-")[0]
    found: Good | None = None
    for title_language in (language, *(other for other in vocabulary.GOODS if other != language)):
        found = head_of(product, title_language)
        if found is not None:
            language = title_language
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
    """Return the good that a title sells, by the word order of this language."""
    if language in vocabulary.UNSPACED:
        return _head_within(clean(product.title), vocabulary.GOODS[language])
    for brand in (product.brand, None):
        for segment in segments(product.title, brand):
            if (found := _head_of(segment, language)) is not None:
                return found
    return None


def _head_of(segment: Segment, language: str) -> Good | None:
    segment = _opened(segment)
    until = next((index for index, word in enumerate(segment) if index and word in vocabulary.STOP_AT), len(segment))
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
    """Return the contents of a container: "set of 6 wine glasses" sells wine glasses."""
    for index, word in enumerate(segment[:-1]):
        if word == "of" and index and (segment[index - 1] in vocabulary.CONTAINERS or segment[index - 1] == GAP):
            return segment[index + 1 :] if any(segment[index + 1 :]) else segment[: index - 1]
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
    """Return the head with the modifier before it, if there is one: "cat bowl"."""
    before = segment[head.start - 1] if head.start else GAP
    if before not in vocabulary.MODIFIERS or " " in head.name:
        return head
    return Good(f"{before} {head.name}", head.start - 1, head.end, head.material)


def goods_of(segment: Segment, language: str) -> list[Good]:
    """Return every good that a segment names, in order."""
    found: list[Good] = []
    index = 0
    while index < len(segment):
        good = _good_at(segment, index, language)
        attribute_length = _attribute_at(segment, index, vocabulary.ATTRIBUTES["en"])[0]
        if good is not None and good.end - index >= attribute_length:  # "dishwasher safe" sells no dishwasher
            found.append(good)
            index = good.end
        else:
            index += attribute_length
    return found


def _good_at(segment: Segment, index: int, language: str) -> Good | None:
    """Return the good whose name starts at `index`: the longest phrase first, then a German compound's last part."""
    table = vocabulary.GOODS.get(language, {})
    for length in range(min(_LONGEST_PHRASE, len(segment) - index), 0, -1):
        phrase = segment[index : index + length]
        for form in _singulars(" ".join(phrase)):
            name = table.get(form) or vocabulary.GOODS["en"].get(form)
            if name is not None:
                return Good(name, index, index + length, form in vocabulary.MATERIALS)
    if language == "de":
        word = segment[index]
        for cut in range(1, len(word) - _SHORTEST_COMPOUND_HEAD + 1):
            for form in _german_forms(word[cut:]):
                if len(form) >= _SHORTEST_COMPOUND_HEAD and form in table:
                    whole = f"{word[:cut]} {table[form]}"  # "Winterjacke" has an English name of its own
                    return Good(vocabulary.GOODS["en"].get(whole, table[form]), index, index + 1, material=False)
    return None


def _head_within(text: str, table: Mapping[str, str]) -> Good | None:
    """Return the last good named in a text without spaces; if two end together, the longer one."""
    found = [
        Good(name, start, start + len(word), material=False)
        for word, name in table.items()
        if (start := text.rfind(word)) >= 0
    ]
    first_segment = [good for good in found if good.end <= len(text.split(" ", maxsplit=1)[0])]
    return max(first_segment or found, key=lambda good: (good.end, good.end - good.start), default=None)


def _singulars(phrase: str) -> Iterable[str]:
    """Yield the phrase, then the phrase with its last word in possible singular forms."""
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
    """Return the colours, materials and styles in a title, then in its highlights."""
    found: list[str] = []
    for text in (product.title, *product.highlights):
        if language in vocabulary.UNSPACED:
            table = vocabulary.ATTRIBUTES[language]
            found += [table[word] for word in sorted((word for word in table if word in text), key=text.index)]
        for segment in segments(text, product.brand):
            found += _attributes_of(segment, language)
    distinct = dict.fromkeys(word for word in found if word not in taken)
    return tuple(distinct)[:MAX_ATTRIBUTES]


def _attributes_of(segment: Segment, language: str) -> list[str]:
    table = vocabulary.ATTRIBUTES.get(language, {})
    found: list[str] = []
    index = 0
    while index < len(segment):
        length, name = _attribute_at(segment, index, table)
        end = index + length
        before, after = (segment[index - 1] if index else ""), (segment[end] if end < len(segment) else "")
        if name is not None and before not in vocabulary.NEGATIONS and after not in vocabulary.NEGATED_BY_NEXT:
            found.append(name)
        index = end
    return found


def _attribute_at(segment: Segment, index: int, table: Mapping[str, str]) -> tuple[int, str | None]:
    for length in range(min(_LONGEST_PHRASE, len(segment) - index), 0, -1):
        phrase = " ".join(segment[index : index + length])
        name = table.get(phrase) or vocabulary.ATTRIBUTES["en"].get(phrase)
        if name is not None:
            return length, name
    return 1, None


def _setting(product: Product, good: str | None, category_setting: str | None) -> str:
    """Return the product's setting: festive by its title, else the good's home, the title's hint or the category's."""
    words = [word for segment in segments(product.title, product.brand) for word in segment]
    hinted = [vocabulary.SETTING_HINTS[word] for word in words if word in vocabulary.SETTING_HINTS]
    home = (vocabulary.HOME.get(good) or vocabulary.HOME.get(good.split()[-1])) if good else None
    if "festive" in hinted:
        return "festive"
    if home is not None and home != "studio":
        return home
    return next(iter(hinted), None) or category_setting or home or "studio"


def _of_category(category: str, setting: str | None) -> tuple[str, str]:
    """Return a product's subject and name by its category alone."""
    good = _head_of(tuple(category.replace("_", "-").split("-")), "en")
    subject = good.name if good else vocabulary.CATEGORY_SUBJECTS[setting or "studio"]
    return subject, subject


def _setting_of_category(category: str) -> str | None:
    known = vocabulary.CATEGORY_SETTINGS
    return next((known[word] for word in category.replace("_", "-").split("-") if word in known), None)


def named(subject: str) -> str:
    """Return a subject's usual name: goods sold in pairs are plural."""
    return f"{subject}s" if subject.rsplit(maxsplit=1)[-1] in vocabulary.PAIRED else subject
