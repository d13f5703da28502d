"""Writes the demo's index.html: the banners by cohort and by visitor, with their lineage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2

from bannerstream.contracts.catalog import Cohort, Product
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import Assignment

LEAD_SIZE = "970x250"
VISITORS_SHOWN = 24


@dataclass(frozen=True, slots=True)
class PageContent:
    """The content of the page."""

    summary: Mapping[str, object]
    """The demo's JSON line."""
    manifests: Mapping[str, Manifest]
    visitors: list[tuple[str, list[Assignment]]]
    products: Mapping[str, Product]
    cohorts: Mapping[str, Cohort]
    dead_letters: Mapping[str, int]


def write_page(content: PageContent, folder: Path, read_blob: Callable[[str], bytes]) -> Path:
    """Write the page and its pictures, and return its path. The page opens without a server."""
    pictures = folder / "banners"
    pictures.mkdir(parents=True, exist_ok=True)
    paths: dict[str, dict[str, str]] = {}
    for manifest in content.manifests.values():
        for rendition in manifest.renditions:
            if rendition.media_type == "image/webp":
                name = f"{manifest.banner_key[:16]}-{rendition.size}.webp"
                (pictures / name).write_bytes(read_blob(rendition.blob_key))
                paths.setdefault(manifest.banner_key, {})[rendition.size] = f"banners/{name}"
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["duration"] = _duration
    template = environment.from_string(
        files("bannerstream.demo").joinpath("templates/index.html.j2").read_text("utf-8")
    )
    by_cohort: dict[str, list[Manifest]] = {}
    for manifest in sorted(content.manifests.values(), key=lambda manifest: (manifest.cohort_id, manifest.product_id)):
        by_cohort.setdefault(manifest.cohort_id, []).append(manifest)
    page = folder / "index.html"
    page.write_text(
        template.render(
            content=content,
            by_cohort=by_cohort,
            paths=paths,
            visitors=content.visitors[:VISITORS_SHOWN],
            lead=LEAD_SIZE,
        ),
        "utf-8",
    )
    return page


def _duration(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "–"
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
