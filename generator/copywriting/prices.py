"""Formats prices for a locale from the record's decimal; it never changes a digit."""

from decimal import ROUND_DOWN, Decimal

from bannerstream.contracts.catalog import Price

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "CNY": "¥", "KRW": "₩", "INR": "₹", "ILS": "₪", "PLN": "zł"}
_NATIVE_SYMBOLS = {
    ("ar", "AED"): "د.إ.",
    ("ar", "SAR"): "ر.س.",
    ("ar", "EGP"): "ج.م.",
    ("ar", "QAR"): "ر.ق.",
    ("ja", "JPY"): "円",
    ("zh", "CNY"): "元",
}
"""Currency signs that only one language uses (CLDR)."""
_DECIMAL_COMMA = frozenset({"de", "fr", "es", "it", "nl", "pt", "pl", "sv", "da", "fi", "nb", "cs", "ru", "tr"})
_SYMBOL_BEHIND = _DECIMAL_COMMA | {"ar", "he"}
_NARROW_SPACE_GROUPS = frozenset({"fr", "sv", "fi", "nb", "cs", "pl", "ru"})
_WITHOUT_CENTS = frozenset({"JPY", "KRW"})


def written(price: Price, locale: str) -> str:
    """Return the price, `€24.90` in English, `24,90 €` in German."""
    return _money(price.amount, price.currency, locale.split("-", maxsplit=1)[0])


def former(price: Price, locale: str) -> str:
    """Return the former price if the record holds a higher one, else an empty string."""
    if price.was is None or Decimal(price.was) <= Decimal(price.amount):
        return ""
    return _money(price.was, price.currency, locale.split("-", maxsplit=1)[0])


def percent_off(price: Price, locale: str) -> str:
    """Return the saving in percent, rounded down so that it is never overstated; an empty string below 1 %."""
    if price.was is None or Decimal(price.was) <= Decimal(price.amount):
        return ""
    was = Decimal(price.was)
    percent = int(((was - Decimal(price.amount)) * 100 / was).to_integral_value(ROUND_DOWN))
    space = "\u00a0" if locale.split("-", maxsplit=1)[0] in {"de", "fr", "es", "sv", "fi", "nb", "cs"} else ""
    return f"−{percent}{space}%" if percent >= 1 else ""


def _symbol(currency: str, language: str) -> str | None:
    """Return a language's symbol for a currency; None where its readers write the code."""
    return _NATIVE_SYMBOLS.get((language, currency)) or _SYMBOLS.get(currency)


def _money(amount: str, currency: str, language: str) -> str:
    whole, _, cents = amount.partition(".")
    whole = whole.lstrip("0") or "0"
    if currency in _WITHOUT_CENTS and not cents.strip("0"):
        cents = ""
    elif len(cents) == 1:
        cents += "0"
    comma = language in _DECIMAL_COMMA
    group = "\u202f" if language in _NARROW_SPACE_GROUPS else "." if comma else ","
    grouped = f"{int(whole):,}".replace(",", group) if len(whole) > 3 else whole
    number = grouped + (("," if comma else ".") + cents if cents else "")
    symbol = _symbol(currency, language)
    if symbol is None:
        return f"{number}\u00a0{currency}"
    if (language, currency) == ("ja", "JPY"):
        return f"{number}{symbol}"
    return f"{number}\u00a0{symbol}" if language in _SYMBOL_BEHIND or currency == "PLN" else f"{symbol}{number}"
