"""`bannerstream catalog`: load and check products and cohorts."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.catalog import check as check_pictures
from bannerstream.catalog import load, read_catalogue
from bannerstream.cli.console import CHECK_FAILED, AsJson, progress_bar, show_rows, stdout
from bannerstream.cli.context import settings_of
from bannerstream.contracts.catalog import Product
from bannerstream.contracts.codecs import decode

app = typer.Typer(help="Load, list and check the catalogue.", no_args_is_help=True)

Folder = Annotated[
    Path, typer.Argument(help="Folder with cohorts.toml, products.jsonl and pictures.", exists=True, file_okay=False)
]


@app.command("load")
def load_catalogue(
    ctx: typer.Context,
    folder: Folder,
    prune: Annotated[
        bool, typer.Option("--prune", help="Withdraw products and cohorts that are not in the folder.")
    ] = False,
    all_pictures: Annotated[
        bool,
        typer.Option("--all-pictures", help="Store pictures again that the bucket has: after it spoilt or lost some."),
    ] = False,
) -> None:
    """Store the pictures, then publish cohorts and products. Unchanged ones are not sent again."""
    settings = settings_of(ctx)
    catalogue = read_catalogue(folder)
    with progress_bar() as progress:
        task = progress.add_task("loading", total=None)
        report = asyncio.run(
            load(
                catalogue,
                settings,
                lambda stage, done, total: progress.update(task, description=stage, completed=done, total=total),
                prune=prune,
                all_pictures=all_pictures,
            )
        )
    for what, changes in (("cohorts", report.cohorts), ("products", report.products)):
        stdout.print(
            f"{what}: {len(changes.published)} published, {len(changes.unchanged)} unchanged, "
            f"{len(changes.removed)} withdrawn, {len(changes.left)} left that the folder does not hold",
            highlight=False,
        )
    stdout.print(
        f"pictures: {report.pictures_stored} stored, {report.pictures_already_there} were there", highlight=False
    )


@app.command()
def check(folder: Folder, as_json: AsJson = False) -> None:
    """Read a catalogue folder and show what each picture will become; exit 5 if one is unusable. Needs no server."""
    checked = asyncio.run(check_pictures(read_catalogue(folder)))
    rows = [{"product": each.product_id, "picture": each.treatment, "reason": each.reason} for each in checked]
    show_rows(rows, as_json=as_json, title="Catalogue", empty="no products")
    if any(each.treatment == "broken" for each in checked):
        raise typer.Exit(CHECK_FAILED)


@app.command("list")
def list_products(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the products on the catalogue topic."""
    kafka = settings_of(ctx).kafka
    topic = kafka.topic_table().products.name
    products = asyncio.run(read_compacted(kafka, topic, lambda value: decode(value, Product)))
    rows = [
        {
            "product_id": entry.product_id,
            "title": entry.title,
            "category": entry.category,
            "cohorts": ", ".join(f"{cohort} {weight:g}" for cohort, weight in entry.cohorts.items()),
            "picture": "yes" if entry.image_key else "no",
            "rev": entry.rev,
        }
        for entry in sorted(products.values(), key=lambda product: product.product_id)
    ]
    show_rows(
        rows, as_json=as_json, title="Products", empty="no products; `bannerstream catalog load FOLDER` brings some"
    )
