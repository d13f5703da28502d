"""`bannerstream evaluate`: how good the generator's parts are, in figures."""

from pathlib import Path
from typing import Annotated

import typer

from catalog.files import read_catalogue
from cli.console import AsJson, plain, print_json, show_rows, stderr
from demo.example import CATALOGUE
from generator.evaluation.reporting import Report

app = typer.Typer(help="Measure the generator's parts: a table for people, JSON for programs.", no_args_is_help=True)

Catalogue = Annotated[Path, typer.Option("--catalogue", help="Catalogue folder.")]


@app.command()
def postprocess(
    catalogue: Catalogue = CATALOGUE,
    scenes: Annotated[int, typer.Option("--scenes", min=1, help="Drawn scenes to measure on.")] = 12,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Write a picture of each step, before and after.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what each step of post-processing is worth, on drawn scenes that were spoilt in a known way."""
    from generator.evaluation.before_after import write_sheet
    from generator.evaluation.postprocessing import evaluate_postprocessing
    from generator.once import product_image

    shop = read_catalogue(catalogue)
    with stderr.status("drawing and measuring"):
        products = [product_image(picture) for picture in shop.images.values()]
        report = evaluate_postprocessing(products, shop.cohorts, scenes)
        if sheet is not None:
            write_sheet(sheet, products, shop.cohorts)
    show(report, as_json=as_json)


@app.command()
def banners(
    folder: Annotated[
        Path, typer.Argument(help="Folder that holds manifests/ and blobs/, or has such a one below it.", exists=True)
    ],
    catalogue: Catalogue = CATALOGUE,
    clip: Annotated[
        str | None, typer.Option("--clip", help="Path or hub id of an image-text model, for CLIP score, d_p and d_t.")
    ] = None,
    lpips: Annotated[
        Path | None, typer.Option("--lpips", help="File with torchvision's AlexNet, for LPIPS.", exists=True)
    ] = None,
    reading: Annotated[bool, typer.Option(help="Have a reader read the headlines: a second a picture.")] = True,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only so many banners.")] = None,
    each: Annotated[bool, typer.Option("--each", help="One row per picture, not per size.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the JSON to a file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge finished banners: fidelity of the product, legibility, contrast, naturalness, fit to words."""
    from generator.evaluation.banners import Shop, evaluate_banners
    from generator.evaluation.exported import read_exported
    from generator.evaluation.judges import judges_at_hand
    from generator.once import product_image

    found = read_exported(folder, limit)
    shop = read_catalogue(catalogue)
    shown = {each.manifest.product_id for each in found}
    with stderr.status(f"judging {len(found)} banners"):
        judges = judges_at_hand(clip=clip, lpips=lpips, reading=reading)
        known = Shop(
            {product: product_image(path) for product, path in shop.images.items() if product in shown},
            {cohort.cohort_id: cohort for cohort in shop.cohorts},
        )
        report = evaluate_banners(found, known, judges, each=each)
    show(report, as_json=as_json, out=out)


def show(report: Report, *, as_json: bool, out: Path | None = None) -> None:
    """Print a report: its rows as a table with its notes under them, or the document for programs."""
    if out is not None:
        try:
            report.save(out)
        except OSError as error:
            raise typer.BadParameter(f"{out} cannot be written: {error}") from error
    if as_json:
        print_json(report.document())
        return
    show_rows(report.rounded(), as_json=False, title=f"evaluate {report.evaluation}", empty="nothing to measure")
    for about, note in report.notes.items():
        stderr.print(plain(f"{about}: {note}"), highlight=False)
