"""Shortens shop titles: brand, size, pack and code noise go first, then whole words from the end."""

import re
import unicodedata

_BRACKETS = re.compile(r"\s*[\(\[【（][^\)\]】）]*[\)\]】）]")
_OPENING = re.compile(r"[\(\[【（]")
_PACK = re.compile(
    r"\b(?:\d+\s*[-x×]?\s*(?:er)?[- ]?(?:pack|packs|pcs|pieces|piece|pairs?|stück|teilig|pièces|piezas|st\.?)"
    r"|(?:pack|set|lot|box|paquete|juego)\s*(?:of|de|mit)?\s*\d+)\b",
    re.IGNORECASE,
)
_MEASURE = re.compile(
    r"(?<![\w.,])(?:[Øø⌀]\s*)?\d+(?:[.,/]\d+)?(?:\s*[x×]\s*\d+(?:[.,]\d+)?)*\s*"
    r"(?:mm|cm|m|km|ml|cl|dl|l|ltr|litres?|liters?|g|kg|mg|oz|lb|lbs|ft|in|inch|inches|w|watt|v|volt|wh|mah|gb|tb|hz|k|h|l|\"|″|غ|غرام|كغ|جم|كجم|مل|لتر|سم|م|グラム|センチ)"
    r"(?![\w])",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<!\w)(?=[A-Z0-9/-]*\d)(?=[A-Z0-9/-]*[A-Z])[A-Z0-9][A-Z0-9/-]{3,}(?!\w)")
_CLAUSE = re.compile(r"\s*(?:,|;|\s[-–—|/]\s|\s*[|・、，：]\s*|\s:\s)\s*")
_DANGLING = re.compile(
    r"(?:\s+(?:with|and|for|of|in|the|a|an|to|from|by|mit|und|für|aus|von|der|die|das|im|avec|et|pour|de|du|des|la|le|les"
    r"|en|con|y|para|el|los|las|&|\+|x))+$",
    re.IGNORECASE,
)
_WITH = re.compile(r"\s(?:with|w/|incl\.?|including|mit|inkl\.?|avec|con)\s", re.IGNORECASE)
_FOR = re.compile(r"\s(?:for|für|fits|compatible)\s", re.IGNORECASE)
"""The words behind it name the product's companion, not the product: a phone's case must not be called a phone."""
_DETAILS = (_OPENING, _PACK, _MEASURE, _CODE, _CLAUSE, _WITH)
_CORE_COLUMNS = 6
"""Fewer columns before the first detail ("Tee, organic cotton") are too short for a name."""
_ELLIPSIS = "…"
_SPACES = re.compile(r"\s+")


def shortened(title: str, *, brand: str | None, limit: int) -> str:
    """Return the title in at most `limit` columns, never empty, cut between words.

    Only a single word that is too long gets an ellipsis. Noise stays when nothing else would remain: a product called
    "500 ml" keeps its name.
    """
    text = _tidy(unicodedata.normalize("NFC", title)) or title
    text = _tidy(_without_brand(text, brand)) or text
    for noise in (_BRACKETS, _PACK, _CODE):
        text = _tidy(noise.sub(" ", text)) or text
    if columns(text) > limit:
        text = _tidy(_MEASURE.sub(" ", text)) or text
    if columns(text) > limit:
        text = _first_clauses(text, limit)
    if columns(text) > limit:
        text = _whole_words(text, limit)
    return text


def core_name(title: str, *, brand: str | None, limit: int, head_first: bool = False) -> str:
    """Return the product's everyday name in at most `limit` columns: the title up to its first detail.

    "Gooseneck Kettle 0.9 L – Matt Black, Beech Handle" is a Gooseneck Kettle: measures, packs, brackets and further
    clauses are details, which shops put behind the name. If almost nothing precedes the first detail, the title is
    `shortened` instead. A name that is still too long keeps its noun: the last words, or the first words in languages
    that put the noun first (`head_first`: "pot en terre cuite").
    """
    text = _tidy(unicodedata.normalize("NFC", title)) or title
    text = _tidy(_without_brand(text, brand)) or text
    starts = sorted(match.start() for detail in _DETAILS for match in detail.finditer(text))
    heads = (_tidy(_DANGLING.sub("", text[:start])) for start in starts)
    head = next((head for head in heads if columns(head) >= _CORE_COLUMNS), None)
    if head is None:
        return shortened(text, brand=None, limit=limit)
    if columns(head) > limit and not head_first:
        words = _FOR.split(head, maxsplit=1)[0].split()
        while len(words) > 1 and columns(" ".join(words)) > limit:
            words.pop(0)
        head = _tidy(" ".join(words)) or head
    return shortened(head, brand=None, limit=limit)


def with_curly_quotes(text: str) -> str:
    """Return an English text with typographic quotation marks: a model name 'Davos' becomes ‘Davos’."""
    text = re.sub(r"(?<!\w)'([^']+)'(?!\w)", "‘\\1’", text)
    return re.sub(r'(?<!\w)"([^"]+)"(?!\w)', "“\\1”", text).replace("'", "’")


def columns(text: str) -> int:
    """Return the width of a text in columns: CJK characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _without_brand(text: str, brand: str | None) -> str:
    """Drop the brand at either end: the banner shows it above the headline."""
    if not brand:
        return text
    escaped = re.escape(brand.strip())
    return re.sub(
        rf"^{escaped}(?=[\s,:–—-])[\s,:–—-]*|[\s,–—-]+(?:(?:by|von|de)\s+)?{escaped}$", "", text, flags=re.IGNORECASE
    )


def _first_clauses(text: str, limit: int) -> str:
    """Return as many leading clauses as fit, or the text itself if the first is too long."""
    best = text
    for match in _CLAUSE.finditer(text):
        head = text[: match.start()]
        if 6 <= columns(head) <= limit:
            best = head
    return best


def _whole_words(text: str, limit: int) -> str:
    words = text.split()
    kept: list[str] = []
    while words and columns(" ".join([*kept, words[0]])) <= limit:
        kept.append(words.pop(0))
    if kept:
        head = " ".join(kept)
        return _tidy(_DANGLING.sub("", head)) or head
    word = words[0] if words else text
    while columns(word) >= limit or unicodedata.combining(word[-1]):
        word = word[:-1]
    return word + _ELLIPSIS


def _tidy(text: str) -> str:
    text = _SPACES.sub(" ", text)
    text = re.sub(r"\s+([,;])", r"\1", text)
    text = re.sub(r"(?:[,;]\s*){2,}", ", ", text)
    return text.strip(" ,;:-–—|/·+&")
