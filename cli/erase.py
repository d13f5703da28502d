"""`bannerstream erase`: erases one visitor."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated

import typer

from bannerstream.broker.erasure import ErasureStatus, Offsets, find_remaining, request_erasure, wait_until_erased
from bannerstream.cli.console import CHECK_FAILED, AsJson, print_json, progress_bar, show_rows, stderr, stdout
from bannerstream.cli.context import settings_of
from bannerstream.contracts.keys import user_key
from bannerstream.edge.erasure_check import check_erased
from bannerstream.settings import Settings


def erase(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(help="The visitor's id, as the shop's events have it.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until streams is done, then check what is left.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Longest wait in seconds.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Ask streams to forget a visitor: state, history and assignment; then edge nodes forget, and end live streams.

    With --wait it ends with 0 only when nothing is left, with 4 when no worker runs or it took too long, with 5 when a
    place still holds the visitor. Edge nodes are asked where `edge.urls` names them; a place that nobody looked at is
    shown as such. What it does not reach is in docs/privacy.md.
    """
    settings = settings_of(ctx)
    key = user_key(user, settings.privacy.user_key_secret.get_secret_value().encode())
    requested = asyncio.run(request_erasure(settings.kafka, user, key, time.time_ns() // 1_000_000))
    topic = settings.kafka.topic_table().erasures.name
    places = asyncio.run(_checked(settings, key, requested, timeout)) if wait else []
    left = [each for each in places if each.erased is False]
    if as_json:
        erased = not left if wait else None
        print_json({"user_key": key, "asked": requested, "erased": erased, "places": [asdict(each) for each in places]})
    elif wait:
        words = {True: "yes", False: "NO", None: "?"}
        rows = [{"place": each.place, "erased": words[each.erased], "found": each.found} for each in places]
        show_rows(rows, as_json=False, title=f"Visitor {key}", empty="")
    else:
        stdout.print(
            f"asked in all {len(requested)} partitions of {topic}; streams does the rest as soon as it reads it. "
            "--wait waits for it and looks",
            highlight=False,
            soft_wrap=True,
        )
    if left:
        stderr.print(
            "an event of this visitor was read after the erasure: one that came since, or that was still waiting. "
            "Stop sending events of this visitor, wait until streams has no lag, and run this again",
            style="red",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(CHECK_FAILED)


async def _checked(settings: Settings, key: str, requested: Offsets, timeout_s: float) -> list[ErasureStatus]:
    kafka, app_id = settings.kafka, settings.streams.app_id
    with progress_bar() as progress:
        waiting = progress.add_task("waiting for streams", total=len(requested))
        await wait_until_erased(
            kafka, app_id, requested, timeout_s, lambda done: progress.update(waiting, completed=done)
        )
        looking = progress.add_task("looking at what is left", total=None)
        found = await find_remaining(
            kafka, app_id, key, lambda read, total: progress.update(looking, completed=read, total=total)
        )
        nodes = await check_erased(settings.edge.urls, key, timeout_s)
    changelog, assignment = found
    found_in_memory = "implied: streams commits an erasure after letting go" if changelog.erased else "as the changelog"
    return [ErasureStatus("affinity (memory)", changelog.erased, found_in_memory), changelog, assignment, *nodes]
