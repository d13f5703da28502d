"""`bannerstream banners`: stored banners."""

import asyncio
import webbrowser
from collections.abc import Set
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import msgspec
import typer

from bannerstream.broker.compacted_view import read_compacted
from bannerstream.broker.publisher import Outgoing, Publisher
from bannerstream.cli.console import CHECK_FAILED, AsJson, print_json, progress_bar, show_rows, stderr, stdout
from bannerstream.cli.context import settings_of
from bannerstream.contracts.codecs import decode
from bannerstream.contracts.errors import InvalidRecord
from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import Refusal
from bannerstream.settings import KafkaSettings
from bannerstream.storage import S3BannerStore
from bannerstream.storage.export import export_banners
from bannerstream.upkeep.announcer import announce_stored
from bannerstream.upkeep.pace import Pace

app = typer.Typer(help="List and show stored banners.", no_args_is_help=True)


@app.command("list")
def list_banners(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most banners to list.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the banners in the bucket."""
    store = S3BannerStore(settings_of(ctx).storage)
    rows = []
    for key in store.manifest_keys():
        manifest = store.manifest(key)
        if manifest is not None:
            rows.append(_row(manifest))
        if len(rows) == limit:
            break
    show_rows(rows, as_json=as_json, title="Banners", empty="no banners yet")


@app.command()
def show(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="Banner key, or a prefix that only one banner has.")],
    open_: Annotated[bool, typer.Option("--open", help="Open the pictures in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one banner's manifest: its sources, models and scores."""
    store = S3BannerStore(settings_of(ctx).storage)
    manifest = _find(store, key)
    if as_json:
        print_json(msgspec.to_builtins(manifest))
    else:
        stdout.print(msgspec.to_builtins(manifest))
    if open_:
        folder = Path(mkdtemp(prefix="bannerstream-"))
        for rendition in manifest.renditions:
            if rendition.media_type == "image/webp":
                picture = folder / f"{rendition.size}.webp"
                picture.write_bytes(store.get_blob(rendition.blob_key))
                webbrowser.open(picture.as_uri())


@app.command()
def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write to, with the bucket's layout.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most banners to copy.")] = 1000,
) -> None:
    """Copy banners with their manifests to a folder, for `bannerstream evaluate banners`."""
    count = export_banners(S3BannerStore(settings_of(ctx).storage), folder, limit)
    stderr.print(f"{count} banners are in {folder}", highlight=False, markup=False)


@app.command()
def announce(
    ctx: typer.Context,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Only banners that were stored since then, UTC by the store's clock.",
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option("--rate", min=0.1, help="Most requests a second to the store; a banner takes about ten."),
    ] = 500.0,
) -> None:
    """Write `banner.ready` from the manifests in the bucket, where the topic has lost them.

    Passes over what the topic has under the same or a newer revision, so an interrupted run goes on where it was. Exit
    5 if a banner's files are not all there: `bannerstream storage verify --repair` has it made again.
    """
    settings = settings_of(ctx)
    with closing(S3BannerStore(settings.storage)) as store, progress_bar() as progress:
        task = progress.add_task("announcing", total=None)
        done = asyncio.run(
            announce_stored(
                store,
                settings.kafka,
                Pace(rate),
                since=None if since is None else since.replace(tzinfo=UTC),
                on_progress=lambda count, total: progress.update(task, completed=count, total=total),
            )
        )
    stderr.print(
        f"announced {done.announced} banners; the topic has {done.known} more already, {done.incomplete} are not whole",
        highlight=False,
    )
    if done.incomplete:
        raise typer.Exit(CHECK_FAILED)


@app.command()
def blocked(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the products that can have no banner, and why; a new revision of a product is judged again.

    The gate `words` or `picture` blocked it, `letters` are missing from the generators' fonts, or it was `unmakeable`.
    """
    kafka = settings_of(ctx).kafka
    refusals = asyncio.run(read_compacted(kafka, kafka.topic_table().refusals.name, _refusal))
    rows = [
        {
            "product": refusal.product_id,
            "locale": refusal.locale,
            "rev": refusal.rev,
            "gate": refusal.code,
            "reason": refusal.reason,
            "blocked_at": _time(refusal.refused_at),
        }
        for _, refusal in sorted(refusals.items())
    ]
    show_rows(rows, as_json=as_json, title="Products without banners", empty="no product is blocked")


@app.command()
def allow(
    ctx: typer.Context,
    products: Annotated[list[str], typer.Argument(metavar="PRODUCT_ID...", help="Products to try again.")],
) -> None:
    """Delete the refusals of products, so that they are offered again and a generator judges them again.

    For a list of blocked words that was corrected: a gate's refusal otherwise holds until the product changes.
    """
    count = asyncio.run(_allow(settings_of(ctx).kafka, set(products)))
    stderr.print(f"{count} refusals are deleted", highlight=False, markup=False)


async def _allow(kafka: KafkaSettings, products: Set[str]) -> int:
    topic = kafka.topic_table().refusals.name
    refusals = await read_compacted(kafka, topic, _refusal)
    keys = [key for key, refusal in refusals.items() if refusal.product_id in products]
    if missing := products - {refusals[key].product_id for key in keys}:
        raise InvalidRecord(f"not refused: {', '.join(sorted(missing))}; `bannerstream banners blocked` lists what is")
    async with Publisher(kafka) as publisher:
        await publisher.publish_all([Outgoing(topic, key.encode(), None, []) for key in keys])
    return len(keys)


def _refusal(payload: bytes) -> Refusal:
    return decode(payload, Refusal)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _find(store: S3BannerStore, beginning: str) -> Manifest:
    matches = [key for key in store.manifest_keys() if key.startswith(beginning)]
    if len(matches) != 1:
        raise InvalidRecord(
            f"{len(matches)} banners begin with {beginning!r}; `bannerstream banners list` shows their keys"
        )
    manifest = store.manifest(matches[0])
    if manifest is None:
        raise InvalidRecord(f"the manifest of {matches[0]} cannot be read; ask for the banner again")
    return manifest


def _row(manifest: Manifest) -> dict[str, object]:
    return {
        "banner_key": manifest.banner_key,
        "product": manifest.product_id,
        "cohort": manifest.cohort_id,
        "engine": manifest.provenance.engine,
        "headline": manifest.words.headline,
        "kB": round(sum(each.bytes for each in manifest.renditions) / 1000),
        "created_at": _time(manifest.created_at),
    }
