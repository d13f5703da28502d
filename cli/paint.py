"""`bannerstream paint`: one banner to a file, without any server."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from bannerstream.catalog.folder import read_catalogue
from bannerstream.cli.console import AsJson, plain, print_json, stderr
from bannerstream.cli.context import settings_of
from bannerstream.contracts.sizes import SIZES
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.generator.paint_once import paint_once
from bannerstream.lab.evaluation.personal_sweep import save_sheet, sweep_personal
from bannerstream.streams.affinity import FAVOURITES, Catalogue

_T = TypeVar("_T")


class DescriberName(StrEnum):
    """What describes."""

    LEXICON = "lexicon"
    TRANSFORMERS = "transformers"


class ModeOfDescriber(StrEnum):
    """How a language model describes."""

    AUTO = "auto"
    CHOOSE = "choose"
    WRITE = "write"


class Mode(StrEnum):
    """What a diffusion model paints."""

    SCENE = "scene"
    WHOLE = "whole"


class Sweep(StrEnum):
    """What to paint at several values."""

    PERSONAL = "personal"


def paint(
    ctx: typer.Context,
    product: Annotated[str, typer.Argument(help="Product id in the catalogue folder.")],
    cohort: Annotated[str, typer.Option("--cohort", help="Cohort id in the catalogue folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; .webp, .jpg or .png says the format.")],
    size: Annotated[str, typer.Option("--size", help=f"One of {', '.join(each.name for each in SIZES)}.")] = SIZES[
        0
    ].name,
    catalogue: Annotated[Path, typer.Option("--catalogue", help="Catalogue folder.")] = CATALOGUE,
    variant: Annotated[str, typer.Option("--variant", help="Choice of template and styles.")] = "a",
    painter: Annotated[
        str | None, typer.Option("--painter", help="Overrides generator.painter: studio, diffusers or module:Class.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Overrides generator.painter_model.")] = None,
    mode: Annotated[Mode | None, typer.Option("--mode", help="Overrides generator.painter_mode.")] = None,
    describer: Annotated[
        DescriberName | None, typer.Option("--describer", help="Overrides generator.describer.")
    ] = None,
    describer_model: Annotated[
        str | None, typer.Option("--describer-model", help="Overrides generator.describer_model.")
    ] = None,
    describer_mode: Annotated[
        ModeOfDescriber | None, typer.Option("--describer-mode", help="Overrides generator.describer_mode.")
    ] = None,
    personal: Annotated[
        float | None, typer.Option("--personal", min=0, max=1, help="Overrides generator.personal.")
    ] = None,
    personal_model: Annotated[
        str | None, typer.Option("--personal-model", help="Overrides generator.personal_model.")
    ] = None,
    sweep: Annotated[
        Sweep | None, typer.Option("--sweep", help="Write a contact sheet of the banner from 0 to 1 of it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Paint one banner of a product for a cohort, as the generator would, and write it to a file."""
    asked = {
        "painter": painter,
        "painter_model": model,
        "painter_mode": mode,
        "describer": describer,
        "describer_model": describer_model,
        "describer_mode": describer_mode,
        "personal": 1.0 if personal is None and sweep is not None else personal,
        "personal_model": personal_model,
    }
    settings = settings_of(ctx, generator={name: value for name, value in asked.items() if value is not None})
    shop = read_catalogue(catalogue)
    asked_for = _chosen({each.product_id: each for each in shop.products}, product, "product")
    group = _chosen({each.cohort_id: each for each in shop.cohorts}, cohort, "--cohort")
    shape = _chosen({each.name: each for each in SIZES}, size, "--size")
    image = shop.images.get(product)
    known = Catalogue(shop.products, shop.cohorts, creative_revision="", favourites=FAVOURITES)
    favourites = known.favourites(cohort) if settings.generator.personal else ()
    if sweep is not None:
        with stderr.status("painting"):
            swept = sweep_personal(
                settings.generator, asked_for, group, favourites, picture=image, size=shape, variant=variant
            )
        save_sheet(swept, out)
        if as_json:
            print_json([{"personal": alpha, **painted.lineage()} for alpha, painted in swept])
        return
    with stderr.status("painting"):
        painted = paint_once(
            settings.generator,
            asked_for,
            group,
            picture=image,
            size=shape,
            variant=variant,
            favourites=favourites,
        )
    painted.save(out)
    if as_json:
        print_json(painted.lineage())
    else:
        stderr.print(plain(f"{out}: {painted.summary()}"), highlight=False)


def _chosen(among: Mapping[str, _T], name: str, what: str) -> _T:
    if name not in among:
        raise typer.BadParameter(f"{what} {name!r} is none of: {', '.join(sorted(among))}")
    return among[name]
