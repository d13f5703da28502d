"""`bannerstream evaluate`: measures the quality of the generator's parts."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bannerstream.catalog.folder import read_catalogue
from bannerstream.cli.console import AsJson, print_json, show_table, stderr, stdout
from bannerstream.contracts.sizes import SIZES
from bannerstream.demo.example_shop import CATALOGUE
from bannerstream.lab.evaluation.report import Figure, Report

app = typer.Typer(help="Measure the quality of the generator's parts.", no_args_is_help=True)


Catalogue = Annotated[Path, typer.Option("--catalogue", help="Catalogue folder.")]


class TitlePart(StrEnum):
    """Which of the labelled titles."""

    WORDS = "words"
    RULES = "rules"
    UNSEEN = "unseen"


@app.command()
def describe(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Path or hub id of a language model to measure, too; may be repeated."),
    ] = None,
    part: Annotated[
        list[TitlePart] | None,
        typer.Option("--part", help="Labelled titles: unseen (default), or those that the lexicon was written beside."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only this many titles of each part.")] = None,
    lexicon_only: Annotated[bool, typer.Option("--lexicon-only", help="Measure no model.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the JSON to a file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well describers read shop titles: the lexicon, SmolLM2 choosing and writing, a random model."""
    from bannerstream.lab.evaluation.describers import evaluate_describers
    from bannerstream.lab.evaluation.titles import PARTS

    asked = {each.value for each in part or [TitlePart.UNSEEN]}
    with stderr.status("describing"):
        report = evaluate_describers(
            [each for each in PARTS if each in asked], models=model or (), limit=limit, lexicon_only=lexicon_only
        )
    show(report, as_json=as_json, out=out)


@app.command()
def bandit(
    cohorts: Annotated[int, typer.Option("--cohorts", min=1, max=1000, help="Simulated cohorts.")] = 12,
    variants: Annotated[int, typer.Option("--variants", min=2, max=63, help="Variants that are tried.")] = 18,
    impressions: Annotated[int, typer.Option("--impressions", min=1000, help="Visits of each world.")] = 200_000,
    refresh: Annotated[int, typer.Option("--refresh", min=1, help="Visits between two looks at results.")] = 2_000,
    worlds: Annotated[int, typer.Option("--worlds", min=1, max=100, help="Worlds, each with other tastes.")] = 5,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the curves: .png or .svg.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the JSON to a file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what choosing variants costs on simulated visitors: regret beside uniform, LinUCB and the oracle."""
    from bannerstream.lab.bandit.evaluation import evaluate

    with stderr.status("simulating") as status:
        found = evaluate(
            cohorts=cohorts,
            variants=variants,
            impressions=impressions,
            refresh=refresh,
            seeds=range(worlds),
            on_progress=status.update,
        )
    uniform = next(each.final for each in found if each.policy == "uniform")
    rows: list[dict[str, Figure]] = [
        {
            "policy": banner.policy,
            "regret_clicks": round(banner.final, 1),
            "standard_error": round(banner.spread, 1),
            "share_of_uniform": round(banner.final / uniform, 4),
        }
        for banner in found
    ]
    notes = {"regret": f"clicks short of the best choice after {impressions} visits, the mean of {worlds} worlds"}
    if plot is not None:
        from bannerstream.cli.plots import plot_regret

        with _writable(plot):
            plot_regret(found, plot)
    show(Report("bandit", rows, notes), as_json=as_json, out=out)


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
    from bannerstream.generator.paint_once import product_image
    from bannerstream.lab.evaluation.before_after import write_sheet
    from bannerstream.lab.evaluation.postprocessing import evaluate_postprocessing

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
    from bannerstream.generator.paint_once import product_image
    from bannerstream.lab.evaluation.banners import Shop, evaluate_banners
    from bannerstream.lab.evaluation.exported import read_exported
    from bannerstream.lab.evaluation.judges import available_judges

    found = read_exported(folder, limit)
    shop = read_catalogue(catalogue)
    shown = {each.manifest.product_id for each in found}
    with stderr.status(f"judging {len(found)} banners"):
        judges = available_judges(clip=clip, lpips=lpips, reading=reading)
        known = Shop(
            {product: product_image(path) for product, path in shop.images.items() if product in shown},
            {cohort.cohort_id: cohort for cohort in shop.cohorts},
        )
        report = evaluate_banners(found, known, judges, each=each)
    show(report, as_json=as_json, out=out)


@app.command()
def starter(
    model: Annotated[
        Path | None, typer.Option("--model", help="Folder of the pipeline; else the starter that is packaged.")
    ] = None,
    judge: Annotated[
        Path | None, typer.Option("--judge", help="File of the judge; else the one that is packaged.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Denoising steps; else the starter's.")] = None,
    guidance: Annotated[
        float | None, typer.Option("--guidance", min=0, help="Classifier-free guidance; else the starter's.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Pictures of each prompt.")] = 3,
    every: Annotated[int, typer.Option("--every", min=1, help="Only every so many of the 576 prompts.")] = 1,
    size: Annotated[str, typer.Option("--size", help=f"One of {', '.join(each.name for each in SIZES)}.")] = SIZES[
        0
    ].name,
    each: Annotated[bool, typer.Option("--each", help="A row for every setting, palette and light, too.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the JSON to a file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge whether the starter model paints the place, the palette and the light that it is asked for."""
    from bannerstream.generator import starter as packaged
    from bannerstream.generator.devices import device_of
    from bannerstream.lab.evaluation.scene_judge import JUDGE, SceneJudge
    from bannerstream.lab.evaluation.starter import StarterRun, evaluate_starter

    shape = next((each for each in SIZES if each.name == size), None)
    if shape is None:
        raise typer.BadParameter(f"--size {size!r} is none of: {', '.join(each.name for each in SIZES)}")
    device_of("auto")  # says what to install where nothing is
    asked = StarterRun(
        packaged.MODEL if model is None else model,
        packaged.STEPS if steps is None else steps,
        packaged.GUIDANCE if guidance is None else guidance,
        seeds,
        shape,
        every,
    )
    with stderr.status("painting") as status:
        report = evaluate_starter(
            asked, SceneJudge.load(JUDGE if judge is None else judge), each=each, on_progress=status.update
        )
    show(report, as_json=as_json, out=out)


def show(report: Report, *, as_json: bool, out: Path | None = None) -> None:
    """Print a report: a table for people and, with `as_json`, the document for programs on standard output."""
    console = stderr if as_json else stdout
    show_table(console, report.rounded(), title=report.evaluation)
    for subject, note in report.notes.items():
        stderr.print(f"{subject}: {note}", highlight=False, markup=False)
    if as_json:
        print_json(report.document())
    if out is not None:
        with _writable(out):
            report.save(out)


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written: {error}") from error
