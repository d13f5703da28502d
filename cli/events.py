"""`bannerstream events`: sending recorded events again, and looking at those of a topic before it is connected."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from bannerstream.broker.record_check import Check, check_records
from bannerstream.broker.replay import ReplayCounts
from bannerstream.broker.replay import replay as send_recording
from bannerstream.broker.topic_sample import Sample, sample_topic
from bannerstream.broker.topics import describe_topics
from bannerstream.cli.console import CHECK_FAILED, AsJson, print_json, progress_bar, show_rows, stderr, stdout
from bannerstream.cli.context import settings_of
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.contracts.inputs import InputForm, InputFormat, Source
from bannerstream.settings import Settings, input_forms, read_mappings

app = typer.Typer(help="Replay recorded events; check those of a topic.", no_args_is_help=True)


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

        def show(sent: ReplayCounts) -> None:
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


class TopicFormat(StrEnum):
    """How the records of a topic are read."""

    AUTO = "auto"
    NATIVE = "native"
    SEGMENT = "segment"
    GA4 = "ga4"
    MAPPED = "mapped"


_FORMATS: dict[TopicFormat | None, InputFormat] = {
    TopicFormat.AUTO: "auto",
    TopicFormat.NATIVE: "native",
    TopicFormat.SEGMENT: "segment",
    TopicFormat.GA4: "ga4",
}
"""Those that need no file."""


class Role(StrEnum):
    """What a topic is to Bannerstream."""

    CLICKS = "clicks"
    PURCHASES = "purchases"


@app.command()
def check(
    ctx: typer.Context,
    topic: Annotated[str, typer.Argument(help="clicks, purchases, or the name of any topic.")],
    sample: Annotated[
        int, typer.Option("--sample", "-n", min=1, max=100_000, help="So many of each partition, the last ones.")
    ] = 1000,
    connect: Annotated[
        Path | None, typer.Option("--connect", help="Read them by this connect.toml, not by that of the settings.")
    ] = None,
    as_format: Annotated[
        TopicFormat | None, typer.Option("--format", help="Read them in this format, not in that of the settings.")
    ] = None,
    role: Annotated[
        Role | None, typer.Option("--as", help="What the topic is to be; clicks for a topic that is neither.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read some records as the stream would and say what it could use; exit 5 if one would be a dead letter.

    Joins no group and commits nothing. What is shown of events is masked. The catalogue is not looked at.
    """
    settings = settings_of(ctx)
    name, source = _named(settings, topic, role)
    form = _form(settings, source, connect, as_format)
    sampled, partitions = asyncio.run(_sampled(settings, name, sample))
    checked = check_records(
        sampled.records,
        source,
        form,
        must_be_keyed=not settings.streams.repartition,
        max_future_ms=round(settings.input.max_future_s * 1000),
        max_age_ms=round(settings.input.max_age_days * _DAY_MS),
        max_record_bytes=settings.input.max_record_bytes,
        max_products=settings.input.max_products,
    )
    if as_json:
        print_json(_document(name, source, sampled, checked, partitions))
    else:
        _show(name, source, sampled, checked, partitions)
    if len(set(partitions.values())) > 1 and not settings.streams.repartition:
        stderr.print(
            f"note: partition counts differ ({_counts_text(partitions)}): set streams.repartition = true",
            highlight=False,
        )
    if checked.dead_letters:
        raise typer.Exit(CHECK_FAILED)


_DAY_MS = 86_400_000


def _named(settings: Settings, topic: str, role: Role | None) -> tuple[str, Source]:
    """Return the topic's name and its role: what is asked for, else what the settings say."""
    table = settings.kafka.topic_table()
    roles: dict[str, Source] = {"clicks": "clicks", "purchases": "purchases"}
    names = {table.clicks.name: roles["clicks"], table.purchases.name: roles["purchases"]}
    source = roles[role.value] if role is not None else names.get(topic) or roles.get(topic) or roles["clicks"]
    if topic in names or topic not in roles:
        return topic, source
    return (table.clicks if topic == "clicks" else table.purchases).name, source


def _form(settings: Settings, source: Source, connect: Path | None, as_format: TopicFormat | None) -> InputForm:
    if connect is None and as_format is None:
        return input_forms(settings.input)[source]
    if as_format in _FORMATS:
        if connect is not None:
            raise ConfigurationError(f"--connect is for the format mapped, not {as_format}")
        return _FORMATS[as_format]
    file = connect or settings.input.connect_file
    if file is None:
        raise ConfigurationError("--format mapped needs --connect, for example --connect connect.toml")
    mappings = read_mappings(file)
    if source not in mappings:
        raise ConfigurationError(f"{file} has no table [{source}]")
    return mappings[source]


async def _sampled(settings: Settings, topic: str, sample: int) -> tuple[Sample, dict[str, int]]:
    """Return the sample, and how many partitions it and the other of clicks and purchases have."""
    table = settings.kafka.topic_table()
    sampled = await sample_topic(settings.kafka, topic, sample)
    there = await describe_topics(settings.kafka)
    names = {topic, table.clicks.name, table.purchases.name}
    return sampled, {name: there[name].partitions for name in sorted(names) if name in there}


def _document(
    topic: str, source: Source, sampled: Sample, checked: Check, partitions: dict[str, int]
) -> dict[str, object]:
    return {
        "topic": topic,
        "source": source,
        "partitions": partitions,
        "sampled": len(sampled.records),
        "usable": checked.usable,
        "dead_letters": checked.dead_letters,
        "findings": [asdict(each) for each in checked.findings],
        "kinds": dict(checked.kinds),
        "distinct_users": len(checked.users),
        "distinct_products": len(checked.products),
        "keyed_by_user": checked.keyed / checked.read if checked.read else None,
        "delay_s": checked.delay_s(),
        "codecs": sampled.codecs,
    }


def _show(topic: str, source: Source, sampled: Sample, checked: Check, partitions: dict[str, int]) -> None:
    summary = {
        "records sampled": len(sampled.records),
        "usable": checked.usable,
        "kinds": _counts_text(checked.kinds) or "none",
        "distinct users": len(checked.users),
        "distinct products": len(checked.products),
        "keyed by user id": f"{checked.keyed / checked.read:.0%}" if checked.read else "unknown",
        "from event to record, least / median / greatest": _seconds(checked.delay_s()),
        "batches by codec": _counts_text(sampled.codecs) or "none",
        "partitions": _counts_text(partitions),
    }
    show_rows(
        [{"looked at": name, "found": value} for name, value in summary.items()],
        as_json=False,
        title=f"{topic} as {source}",
        empty="",
    )
    rows = [
        {
            "count": finding.count,
            "code": finding.code,
            "field": finding.field,
            "reason": finding.reason,
            "example": f"{finding.example}\n{finding.excerpt}",
        }
        for finding in checked.findings
    ]
    show_rows(rows, as_json=False, title="Not used", empty="every record can be used")


def _seconds(delay: Mapping[str, float] | None) -> str:
    return "unknown" if delay is None else " / ".join(f"{each:.1f} s" for each in delay.values())


def _counts_text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
