"""`bannerstream schema` and `bannerstream asyncapi`: the contracts, for other programs."""

from typing import Annotated

import typer

from bannerstream.cli.console import print_json
from bannerstream.cli.context import settings_of
from bannerstream.contracts.asyncapi import asyncapi_document
from bannerstream.contracts.schema import json_schemas


def schema(
    message: Annotated[str | None, typer.Argument(help="One message, such as BannerReady; all when left out.")] = None,
) -> None:
    """Print the JSON Schema (2020-12) of the messages."""
    schemas = json_schemas()
    if message is None:
        print_json(schemas)
    elif message in schemas:
        print_json(schemas[message])
    else:
        raise typer.BadParameter(f"no message is called {message!r}; there are: {', '.join(schemas)}")


def asyncapi(ctx: typer.Context) -> None:
    """Print the AsyncAPI 3 document of every topic, under the names of this deployment."""
    kafka = settings_of(ctx).kafka
    print_json(
        asyncapi_document(
            kafka.topic_table(),
            [server.strip() for server in kafka.bootstrap_servers.split(",")],
            secure=kafka.security_protocol != "PLAINTEXT",
            partitions=kafka.partitions,
            replicas=kafka.replication_factor,
        )
    )
