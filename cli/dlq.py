"""`bannerstream dlq`: list dead letters, and replay them once their cause is fixed."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated

import typer

from bannerstream.broker import dead_letters
from bannerstream.broker.dead_letters import Replayed, StoredLetter
from bannerstream.broker.publisher import Publisher
from bannerstream.cli.console import AsJson, progress_bar, show_rows, stdout
from bannerstream.cli.context import settings_of
from bannerstream.settings import KafkaSettings

app = typer.Typer(help="List and replay dead letters.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option("--code", help="Only letters with this code, such as unknown_product.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only from this source topic.")]


@app.command("list")
def list_letters(
    ctx: typer.Context,
    code: Code = None,
    topic: Topic = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters with origin and reason, partition by partition, oldest first."""
    stored = asyncio.run(_letters(settings_of(ctx).kafka, code, topic, limit))
    show_rows([_row(each) for each in stored], as_json=as_json, title="Dead letters", empty="no dead letters")


@app.command()
def replay(
    ctx: typer.Context,
    code: Code = None,
    topic: Topic = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")] = False,
) -> None:
    """Send dead letters to their source topics again, each once: a second replay continues where the first ended."""
    kafka = settings_of(ctx).kafka

    async def send() -> Replayed:
        with progress_bar() as progress:
            task = progress.add_task("sending", total=None)
            async with Publisher(kafka, client_id="bannerstream-dlq") as publisher:
                return await dead_letters.replay(
                    kafka,
                    publisher,
                    code=code,
                    topic=topic,
                    limit=limit,
                    dry_run=dry_run,
                    on_progress=lambda done: progress.update(task, completed=done.replayed),
                )

    done = asyncio.run(send())
    stdout.print(
        f"{'would send' if dry_run else 'sent'} {done.replayed}; skipped {done.truncated} that were too long to "
        f"keep whole and {done.foreign} of other topics",
        highlight=False,
    )


async def _letters(kafka: KafkaSettings, code: str | None, topic: str | None, limit: int) -> list[StoredLetter]:
    async with aclosing(dead_letters.read(kafka, code=code, topic=topic, limit=limit)) as letters:
        return [each async for each in letters]


def _row(stored: StoredLetter) -> dict[str, object]:
    letter = stored.letter
    return {
        "from": f"{letter.topic}/{letter.partition}@{letter.offset}",
        "code": letter.code,
        "reason": letter.reason,
        "failed_at": datetime.fromtimestamp(letter.failed_at / 1000, UTC).isoformat(timespec="seconds"),
        "bytes": letter.truncated_from or len(letter.value or b""),
    }
