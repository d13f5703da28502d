"""Reads a catalogue's folder: `cohorts.toml`, `products.jsonl` and the pictures that the products name."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from bannerstream.catalog.errors import CatalogueInvalid, Problem
from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.toml import InvalidToml, parse_toml

COHORTS_FILE = "cohorts.toml"
PRODUCTS_FILE = "products.jsonl"

_COHORT_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*cohort[ \t]*]]", re.MULTILINE)
_FILLED_ON_LOADING = {"rev", "image_key"}

_Record = TypeVar("_Record", Product, Cohort)


@dataclass(frozen=True, slots=True)
class CatalogueFolder:
    """A valid catalogue: every cohort and picture that a product names exists."""

    products: tuple[Product, ...]
    """Without `rev` and `image_key`: loading fills them."""
    cohorts: tuple[Cohort, ...]
    images: dict[str, Path]
    """The picture's file, by product id; products without a picture are not in it."""
    folder: Path

    def relative_name(self, path: Path) -> str:
        """Return a file of the folder as the catalogue names it."""
        return path.relative_to(self.folder.resolve()).as_posix()


def read_catalogue(folder: Path, *, default_locale: str = "en") -> CatalogueFolder:
    """Return the catalogue in a folder. `default_locale` is that of products that name none.

    Raises:
        CatalogueInvalid: lists everything that is wrong: fields, duplicates, unknown cohorts, missing pictures.
    """
    reader = _FolderReader(folder, default_locale)
    cohorts = reader.cohorts()
    products, images = reader.products()
    if reader.problems:
        raise CatalogueInvalid(reader.problems)
    return CatalogueFolder(tuple(products), tuple(cohorts), images, folder)


class _FolderReader:
    """Reads the files in one pass, collecting problems instead of stopping at the first."""

    def __init__(self, folder: Path, default_locale: str) -> None:
        self.problems: list[Problem] = []
        self._folder = folder
        self._default_locale = default_locale
        self._cohort_ids: set[str] = set()

    def cohorts(self) -> list[Cohort]:
        text = self._text(COHORTS_FILE)
        if text is None:
            return []
        try:
            tables = parse_toml(text)
        except InvalidToml as error:
            self._problem(COHORTS_FILE, None, None, f"not TOML: {error}")
            return []
        rows = tables.pop("cohort", [])
        for name in tables:
            self._problem(COHORTS_FILE, None, name, "unknown; cohorts are [[cohort]] tables")
        if not isinstance(rows, list) or not rows:
            self._problem(COHORTS_FILE, None, None, "no cohort; write each as a [[cohort]] table")
            return []
        headers = [text.count("\n", 0, match.start()) + 1 for match in _COHORT_HEADER.finditer(text)]
        lines: list[int | None] = [*headers] if len(headers) == len(rows) else [None] * len(rows)
        found: list[Cohort] = []
        seen: dict[str, int | None] = {}
        for row, line in zip(rows, lines, strict=True):
            if not isinstance(row, dict):
                self._problem(COHORTS_FILE, line, None, "not a table; write each cohort as a [[cohort]] table")
                continue
            self._unique(COHORTS_FILE, line, "cohort_id", row, seen)
            if (cohort := self._record(COHORTS_FILE, line, row, Cohort)) is not None:
                found.append(cohort)
        self._cohort_ids = set(seen)
        return found

    def products(self) -> tuple[list[Product], dict[str, Path]]:
        found: list[Product] = []
        images: dict[str, Path] = {}
        text = self._text(PRODUCTS_FILE)
        if text is None:
            return found, images
        seen: dict[str, int | None] = {}
        for line, content in enumerate(text.split("\n"), start=1):
            if not content.strip():
                continue
            try:
                row = msgspec.json.decode(content)
            except (msgspec.DecodeError, RecursionError) as error:
                self._problem(PRODUCTS_FILE, line, None, f"not JSON: {error}")
                continue
            if not isinstance(row, dict):
                self._problem(PRODUCTS_FILE, line, None, "not an object; write one product per line as {…}")
                continue
            self._unique(PRODUCTS_FILE, line, "product_id", row, seen)
            image = self._image(line, row.pop("image", None))
            product = self._record(PRODUCTS_FILE, line, {"locale": self._default_locale, **row}, Product)
            self._cohorts_known(line, row.get("cohorts"))
            if product is not None:
                found.append(product)
                if image is not None:
                    images[product.product_id] = image
        if not seen and not self.problems:
            self._problem(PRODUCTS_FILE, None, None, "no product; write one per line as {…}")
        return found, images

    def _text(self, name: str) -> str | None:
        try:
            return (self._folder / name).read_text("utf-8")
        except FileNotFoundError:
            self._problem(name, None, None, f"not there; a catalogue's folder holds {COHORTS_FILE} and {PRODUCTS_FILE}")
        except UnicodeDecodeError as error:
            self._problem(name, None, None, f"not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8")
        except OSError as error:
            self._problem(name, None, None, f"cannot be read: {error.strerror}")
        return None

    def _record(self, file: str, line: int | None, row: dict[str, object], kind: type[_Record]) -> _Record | None:
        """Return the record, or None after noting every field that is wrong (msgspec alone stops at the first)."""
        before = len(self.problems)
        fields = {field.name: field for field in msgspec.structs.fields(kind) if field.name not in _FILLED_ON_LOADING}
        for name in row.keys() - fields.keys():
            hint = (
                "is filled on loading; remove it"
                if name in _FILLED_ON_LOADING
                else f"unknown; known are {', '.join(fields)}"
            )
            self._problem(file, line, name, hint)
        for name, field in fields.items():
            if name in row:
                try:
                    msgspec.convert(row[name], field.type)
                except msgspec.ValidationError as error:
                    message, _, path = str(error).partition(" - at `$")
                    self._problem(file, line, name + path.rstrip("`"), message)
            elif field.required:
                self._problem(file, line, name, "missing")
        return msgspec.convert(row, kind) if len(self.problems) == before else None

    def _unique(
        self, file: str, line: int | None, name: str, row: dict[str, object], seen: dict[str, int | None]
    ) -> None:
        identity = row.get(name)
        if not isinstance(identity, str):
            return  # `_record` reports it
        if identity in seen:
            self._problem(file, line, name, f"{identity!r} is there already (line {seen[identity]}); remove one")
        seen.setdefault(identity, line)

    def _cohorts_known(self, line: int, named: object) -> None:
        if isinstance(named, dict) and self._cohort_ids:
            for unknown in sorted(str(name) for name in named.keys() - self._cohort_ids):
                self._problem(PRODUCTS_FILE, line, f"cohorts.{unknown}", f"unknown; add it to {COHORTS_FILE}")

    def _image(self, line: int, named: object) -> Path | None:
        if named is None:
            return None
        if not isinstance(named, str) or not named or "\0" in named:
            self._problem(PRODUCTS_FILE, line, "image", 'not a path; write, for example, "images/mug.png"')
            return None
        path = (self._folder / named).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            self._problem(PRODUCTS_FILE, line, "image", f"{named!r} leads out of the folder; copy the picture into it")
            return None
        if not path.is_file():
            self._problem(PRODUCTS_FILE, line, "image", f"{named!r} is not there; add it, or remove the field")
            return None
        return path

    def _problem(self, file: str, line: int | None, field: str | None, message: str) -> None:
        self.problems.append(Problem(file, line, field, message))
