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


def show(report: Report, *, as_json: bool) -> None:
    """Print a report's rows, and its notes under them."""
    if as_json:
        print_json(report.document())
        return
    show_rows(report.rounded(), as_json=False, title=f"evaluate {report.evaluation}", empty="nothing to measure")
    for about, note in report.notes.items():
        stderr.print(plain(f"{about}: {note}"), highlight=False)


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
