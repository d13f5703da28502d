"""`bannerstream events`: recorded events, sent again."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from broker.replay import Sent
from broker.replay import replay as send_recording
from cli.console import AsJson, print_json, progress_bar, stdout
from cli.context import settings_of
from contracts.errors import ConfigurationError

app = typer.Typer(help="Replay recorded events.", no_args_is_help=True)


class EventFormat(StrEnum):
    """Format of a file of bare events."""

    AUTO = "auto"
    NATIVE = "native"
    SEGMENT = "segment"
    GA4 = "ga4"


@app.command()
def replay(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="Recording, JSON Lines, .gz or not; - reads standard input.")],
    rate: Annotated[
        float | None, typer.Option("--rate", help="Events per second; as fast as they go when left out.")
    ] = None,
    from_format: Annotated[
        EventFormat | None, typer.Option("--from-format", help="The file holds bare events of this format, one a line.")
    ] = None,
    retime: Annotated[bool, typer.Option("--retime", help="Move a recording in time so that it ends now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send recorded events to clicks and purchases.

    A recording says of each record where it went and holds its bytes as they were, malformed ones too; a file of bare
    events (--from-format) is sent to purchases where an event is one, else to clicks, keyed by its user.
    """
    settings = settings_of(ctx)
    recording: Path | Literal["-"] = "-" if file == "-" else Path(file)
    if isinstance(recording, Path) and not recording.is_file():
        raise ConfigurationError(f"there is no recording at {recording}")
    with progress_bar() as progress:
        task = progress.add_task("sending", total=None)

        def show(sent: Sent) -> None:
            progress.update(task, completed=sent.total)

        sent = asyncio.run(
            send_recording(
                settings.kafka,
                recording,
                from_format=from_format.value if from_format else None,
                rate=rate,
                retime=retime,
                on_progress=show,
            )
        )
    if as_json:
        print_json({"clicks": sent.clicks, "purchases": sent.purchases})
    else:
        stdout.print(f"sent {sent.clicks} to clicks, {sent.purchases} to purchases", highlight=False)
