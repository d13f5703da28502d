"""`brands.toml`: the brands that have a look of their own, and the adapter of each."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.toml import InvalidToml, parse_toml

_VALID = '[Lindqvist]\nadapter = "lindqvist.safetensors"\nweight = 0.8\ntrigger = "lindqvist style"'


@dataclass(frozen=True, slots=True)
class Adapter:
    """A small file of weights that adds one look to the model."""

    name: str
    """Letters, digits and underscores; unique per file and weight."""
    kind: Literal["lora", "textual-inversion"]
    file: Path
    revision: str
    """First 16 hex digits of the file's sha256."""
    weight: float
    trigger: str
    """Words added to the prompt; for a textual inversion, the word that the file defines."""


def read_brands(file: Path) -> dict[str, Adapter]:
    """Return the adapters by brand, keyed by `brand_key`.

    Raises:
        ConfigurationError: the file cannot be read, something in it is wrong, or an adapter is missing or pickled.
    """
    try:
        tables = msgspec.convert(parse_toml(file.read_text(encoding="utf-8")), dict[str, _Table])
    except OSError as error:
        raise ConfigurationError(f"generator.diffusion.brands: {file} cannot be read: {error.strerror}") from error
    except (InvalidToml, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(
            f"generator.diffusion.brands: {file}: {error}; valid is, for example:\n{_VALID}"
        ) from error
    return {brand_key(brand): _adapter(brand, table, file) for brand, table in tables.items()}


def brand_key(brand: str) -> str:
    """Return a brand's name normalised for lookup: case and spaces do not matter."""
    return " ".join(brand.split()).casefold()


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    """One brand in the file."""

    adapter: Annotated[str, Meta(min_length=1)]
    kind: Literal["lora", "textual-inversion"] = "lora"
    weight: Annotated[float, Meta(gt=0, le=2)] | None = None
    trigger: Annotated[str, Meta(max_length=120)] = ""


def _adapter(brand: str, table: _Table, listed_in: Path) -> Adapter:
    where = f"generator.diffusion.brands: [{brand}] in {listed_in}"
    path = listed_in.parent / Path(table.adapter).expanduser()
    if path.suffix != ".safetensors":
        raise ConfigurationError(
            f"{where}: adapter = {table.adapter!r} is not a .safetensors file; other formats can run code"
        )
    if table.kind == "textual-inversion" and (table.weight is not None or not re.fullmatch(r"\S+", table.trigger)):
        raise ConfigurationError(
            f'{where}: a textual inversion has no weight, and its trigger is the word that it defines: "<lindqvist>"'
        )
    try:
        revision = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise ConfigurationError(
            f"{where}: the adapter {path} cannot be read: {error.strerror}; paths start at the folder of that file"
        ) from error
    weight = 1.0 if table.weight is None else table.weight
    identity = f"{table.kind} {path} {revision} {weight} {table.trigger if table.kind != 'lora' else ''}"
    name = f"{re.sub(r'[^A-Za-z0-9]', '_', path.stem)}_{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    return Adapter(name, table.kind, path, revision, weight, table.trigger)
