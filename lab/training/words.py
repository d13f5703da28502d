"""The words that the starter model knows, and the captions that it learns from.

Every label of a drawn scene is one word; synonyms are turned into it before tokens are made, and what is no word of the
model's is dropped. So brands, products, and whatever else a shop writes into a name, change nothing.
"""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from bannerstream.generator.studio.samples import PALETTES, SEASONED, SceneLabels
from bannerstream.generator.studio.season import SEASONS

TOKENS = 16
"""Longest prompt, begin and end included: setting, palette, light and season, said up to three times."""

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
"""Words for each place, regular expressions apart by blanks. No product is among them, and no word that fits two places
(`table`, `counter`): either would pull a scene to where nobody asked for."""
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
"""Captions left empty: what classifier-free guidance compares with (Ho and Salimans, arXiv 2207.12598: 10 to 20 %)."""
_LEFT_OUT = {"setting": 0.04, "palette": 0.08, "light": 0.08, "season": 0.25}
_SAID_TWICE = 0.15
_WRONG_SEASON = 0.15
"""Where no season shows, one is named all the same: a `winter landscape` in snow must not upset it."""


def tokenizer() -> Any:
    """Return the tokenizer: 31 tokens, read by the ordinary loader of transformers."""
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
    """Return the labels that a text names, in its order: what the tokenizer makes of it, without any library."""
    lowered = text.lower()
    for word, synonyms in _ALL.items():
        if synonyms:
            lowered = re.sub(rf"\b(?:{'|'.join(synonyms.split())})\b", word, lowered)
    return re.findall(rf"\b(?:{'|'.join(_ALL)})\b", lowered)


def caption(labels: SceneLabels, rng: Random) -> str:
    """Return a caption to learn from: the labels in any order, some left out, some said twice, now and then nothing."""
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
