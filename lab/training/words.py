"""The words that the starter model knows, and the captions of its training scenes.

Every label of a drawn scene is one word. The tokenizer replaces synonyms by it and drops unknown words, so brands,
products and other text from a shop have no effect.
"""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from bannerstream.generator.studio.samples import PALETTES, SEASONED, SceneLabels
from bannerstream.generator.studio.season import SEASONS

TOKENS = 16
"""Longest prompt with start and end tokens: setting, palette, light and season, up to three times."""

SETTING_WORDS: Mapping[str, str] = {
    "kitchen": "kitchens? kitchenette pantry cookery worktop breakfast brunch dining cafe café",
    "garden": "gardens? courtyard patio terrace balcony lawn backyard orchard greenhouse picnic porch",
    "beach": "beaches seaside seashore sea ocean coast coastal shore surf lagoon dunes? sandy island",
    "snow": "snowy ski skiing slopes? alpine glacier frosty icy nordic arctic",
    "desk": "desks desktop office workspace study library bookshel\\w+ classroom",
    "nursery": "nurseries playroom crib cot",
    "workshop": "workshops workbench garage atelier toolshed",
    "bathroom": "bathrooms? bath spa shower vanity washbasin washroom",
    "trail": "trails mountains? forest hiking hike woodland wilderness summit canyon camping",
    "stadium": "stadiums pitch arena gym gymnasium athletics marathon",
    "festive": "christmas xmas festivity celebration diwali hanukkah",
    "studio": "backdrop seamless pedestal podium",
}
"""Words per setting: regular expressions separated by blanks. Products and words that fit two settings (`table`,
`counter`) are excluded, since they would select a setting that the prompt does not name."""
PALETTE_WORDS: Mapping[str, str] = {
    "honey": "amber mustard honeyed",
    "blue": "blues azure navy sky-blue",
    "sage": "olive",
    "blush": "pink rose rosy",
    "terracotta": "rust clay sienna",
    "lavender": "lilac violet purple mauve",
    "cream": "creamy beige ivory",
    "charcoal": "grey gray slate anthracite",
}
LIGHT_WORDS: Mapping[str, str] = {
    "morning": "dawn sunrise",
    "day": "daylight noon midday",
    "golden": "sunset",
    "evening": "dusk twilight",
}
SEASON_WORDS: Mapping[str, str] = {"spring": "", "summer": "", "autumn": "fall autumnal", "winter": "wintry"}

_ALL = {**SETTING_WORDS, **PALETTE_WORDS, **LIGHT_WORDS, **SEASON_WORDS}
_SPECIAL = ("<pad>", "<bos>", "<eos>")
PAD, BOS, EOS = range(3)

_NOTHING = 0.10
"""Share of empty captions, for classifier-free guidance (Ho and Salimans, arXiv 2207.12598: 10 to 20 %)."""
_LEFT_OUT = {"setting": 0.04, "palette": 0.08, "light": 0.08, "season": 0.25}
_SAID_TWICE = 0.15
_WRONG_SEASON = 0.15
"""Share of captions that name a season although none is visible, as in prompts like `winter landscape`."""


def tokenizer() -> Any:
    """Return the tokenizer: 31 tokens, loadable by transformers without custom code."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    vocabulary = {word: number for number, word in enumerate([*_SPECIAL, *_ALL])}
    rules = [
        normalizers.Replace(Regex(rf"\b(?:{'|'.join(synonyms.split())})\b"), word)
        for word, synonyms in _ALL.items()
        if synonyms
    ]
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=_SPECIAL[PAD]))
    made.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rules])
    made.pre_tokenizer = pre_tokenizers.Split(Regex(rf"\b(?:{'|'.join(_ALL)})\b"), "removed", invert=True)
    made.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=TOKENS,
        **dict(zip(("pad_token", "bos_token", "eos_token"), _SPECIAL, strict=True)),
    )


def vocabulary_size() -> int:
    """Return how many tokens there are."""
    return len(_SPECIAL) + len(_ALL)


def known_words(text: str) -> list[str]:
    """Return the labels that a text names, in order: the tokenizer's result without any library."""
    lowered = text.lower()
    for word, synonyms in _ALL.items():
        if synonyms:
            lowered = re.sub(rf"\b(?:{'|'.join(synonyms.split())})\b", word, lowered)
    return re.findall(rf"\b(?:{'|'.join(_ALL)})\b", lowered)


def caption(labels: SceneLabels, rng: Random) -> str:
    """Return a training caption: the labels in random order, some left out, some repeated, sometimes empty."""
    if rng.random() < _NOTHING:
        return ""
    words = [
        word
        for kind, word in (("setting", labels.setting), ("palette", labels.palette), ("light", labels.light))
        if rng.random() >= _LEFT_OUT[kind]
    ]
    if labels.setting in SEASONED:
        words += [labels.season] * (rng.random() >= _LEFT_OUT["season"])
    elif rng.random() < _WRONG_SEASON:
        words.append(rng.choice(SEASONS))
    words += [word for word in words if rng.random() < _SAID_TWICE]
    rng.shuffle(words)
    return " ".join(words)


assert set(PALETTE_WORDS) == set(PALETTES)
