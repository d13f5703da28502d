"""Judges finished banners from their files alone, as a visitor's browser gets them.

Per picture: bytes; the least contrast of its words, as measured by the gate; fidelity, SSIM and LPIPS of the product
against the catalogue's picture; BRISQUE; the share of the headline that OCR reads; CLIP score, d_p and d_t. Figures
that cannot be measured here are left empty, with the reason in a note.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from bannerstream.contracts.catalog import Cohort
from bannerstream.contracts.manifest import Area, Description, Manifest
from bannerstream.contracts.messages import Rendition
from bannerstream.generator.personal.candidates import agreement, compared_with
from bannerstream.generator.personal.likeness import Likeness
from bannerstream.generator.pipeline.ports import Pixels, ProductImage
from bannerstream.lab.evaluation.exported import ExportedBanner
from bannerstream.lab.evaluation.product_fidelity import fidelity, on, placed, ssim_map, window_of
from bannerstream.lab.evaluation.quality import Lpips, Naturalness
from bannerstream.lab.evaluation.reader import Reader, readable, share_read
from bannerstream.lab.evaluation.report import Figure, Report

FAITHFUL = 0.98
"""SSIM of the product's pixels from which a banner shows the shop's product faithfully."""
_CLIP_SCALE = 2.5
"""w of Hessel et al., "CLIPScore" (2021)."""
_WHITE = 255

Row = dict[str, Figure]
WORST: Mapping[str, Callable[[Sequence[float]], float]] = {"fidelity": min, "contrast": min, "bytes": max, "read": min}
"""Figures reported with their worst value too: a visitor sees one banner, not the average."""


@dataclass(frozen=True, slots=True)
class Judges:
    """The judges, None where one is not available; `why_not` holds the reasons by figure."""

    naturalness: Naturalness | None = None
    reader: Reader | None = None
    lpips: Lpips | None = None
    likeness: Likeness | None = None
    why_not: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shop:
    """The reference for banners: catalogue pictures by product id, cohorts by id."""

    products: Mapping[str, ProductImage]
    cohorts: Mapping[str, Cohort]


def evaluate_banners(banners: Sequence[ExportedBanner], shop: Shop, judges: Judges, *, each: bool = False) -> Report:
    """Return figures per size and overall: means, and for some the worst. With `each`, one row per picture instead.

    Raises:
        ConfigurationError: a blob that a manifest names is missing.
    """
    rows = [
        judged(banner.manifest, rendition, pixels, shop, judges)
        for banner in banners
        for rendition, pixels in banner.pictures()
    ]
    notes = dict(judges.why_not) | _missing(banners, shop)
    return Report("banners", rows if each else _by_size(rows), notes)


def judged(manifest: Manifest, rendition: Rendition, pixels: Pixels, shop: Shop, judges: Judges) -> Row:
    """Return the figures of one picture."""
    area, catalogue = manifest.products.get(rendition.size), shop.products.get(manifest.product_id)
    row: Row = {
        "banner": manifest.banner_key[:12],
        "size": rendition.size,
        "engine": manifest.provenance.engine,
        "bytes": rendition.bytes,
        "contrast": _contrast(manifest, rendition),
        **_product_figures(pixels, area, catalogue, judges.lpips),
        "brisque": judges.naturalness.score(pixels) if judges.naturalness is not None else None,
        "read": _read(manifest.words.headline, pixels, judges.reader),
        **_likeness_figures(manifest, pixels, shop.cohorts.get(manifest.cohort_id), judges.likeness),
    }
    return row


def _contrast(manifest: Manifest, rendition: Rendition) -> float | None:
    scores = [each.score for each in manifest.gates if each.gate == "contrast" and each.size == rendition.size]
    return min(scores, default=None)


def _product_figures(pixels: Pixels, area: Area | None, catalogue: ProductImage | None, lpips: Lpips | None) -> Row:
    """Compare the product on the banner with the catalogue's picture, as large as it is there.

    `fidelity` compares the product's own pixels. `ssim` and `lpips` compare its whole box with the product on white, as
    PMG compares a picture with that of the item, so they also depend on the scene.
    """
    nothing: Row = {"fidelity": None, "ssim": None, "lpips": None}
    if area is None or catalogue is None or not catalogue.cut_out:
        return nothing
    product = placed(catalogue.pixels, area)
    if product is None:
        return nothing
    window = window_of(pixels, area)
    if window.shape[:2] != product.shape[:2]:
        return nothing
    on_paper = on(np.full_like(window, _WHITE), product)
    return {
        "fidelity": fidelity(pixels, product, area),
        "ssim": float(ssim_map(window, on_paper).mean()),
        "lpips": lpips.distance(window, on_paper) if lpips is not None else None,
    }


def _read(headline: str, pixels: Pixels, reader: Reader | None) -> float | None:
    if reader is None or not readable(headline):
        return None
    return share_read(headline, reader.lines(pixels))


def _likeness_figures(manifest: Manifest, pixels: Pixels, cohort: Cohort | None, likeness: Likeness | None) -> Row:
    """Return the CLIP score with the description, and d_p and d_t with preference and target.

    In personal style these are the keywords that the banner was painted with; else cohort and product as words.
    """
    if likeness is None:
        return {"clip_score": None, "d_p": None, "d_t": None}
    description, style = manifest.description, manifest.provenance.personal
    if style is not None:
        liked, shown = compared_with(style.preference, style.target)
    else:
        liked, shown = preference(cohort) if cohort is not None else "", target(description)
    texts = [caption(description), liked, shown]
    of_caption, of_liked, of_shown = (float(each) for each in likeness.similarities([pixels], texts)[0])
    return {
        "clip_score": _CLIP_SCALE * max(0.0, of_caption),
        "d_p": agreement(of_liked) if liked else None,
        "d_t": agreement(of_shown),
    }


def caption(description: Description) -> str:
    """Return the description as one sentence."""
    return f"a photo of {target(description)} in {description.setting}"


def target(description: Description) -> str:
    """Return the product as words."""
    return " ".join([*description.attributes, description.subject])


def preference(cohort: Cohort) -> str:
    """Return a cohort's taste as words."""
    return f"a {', '.join(cohort.mood)} scene in {cohort.light} light"


def _by_size(rows: Sequence[Row]) -> list[Row]:
    sizes = list(dict.fromkeys(str(row["size"]) for row in rows))
    groups = [(size, [row for row in rows if row["size"] == size]) for size in sizes]
    return [_summary(size, group) for size, group in [*groups, ("all", list(rows))]]


def _summary(size: str, rows: Sequence[Row]) -> Row:
    summary: Row = {"size": size, "pictures": len(rows)}
    figures = [name for name in (rows[0] if rows else {}) if name not in {"banner", "size", "engine"}]
    for name in figures:
        values = [float(value) for row in rows if isinstance(value := row[name], int | float)]
        summary[name] = fmean(values) if values else None
        if name in WORST:
            summary[f"worst_{name}"] = WORST[name](values) if values else None
    faithful = [float(value) >= FAITHFUL for row in rows if isinstance(value := row["fidelity"], float)]
    summary["faithful_share"] = fmean(faithful) if faithful else None
    return summary


def _missing(banners: Sequence[ExportedBanner], shop: Shop) -> dict[str, str]:
    notes = {}
    without = {each.manifest.product_id for each in banners} - shop.products.keys()
    if without:
        notes["fidelity"] = f"{len(without)} products have no picture in the catalogue, {min(without)} for one"
    unread = sum(not readable(each.manifest.words.headline) for each in banners)
    if unread:
        notes["read"] = f"{unread} headlines are in scripts that the reader does not know"
    return notes
