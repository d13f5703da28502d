"""Grants on a secured Kafka what docs/production.md lists, under a test's own names."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

_PAGE = Path(__file__).parents[2] / "docs" / "production.md"
_ROW = re.compile(r"(?m)^\| ([a-z-]+) \| (topic|group|transactional id) \| (.+) \| ([A-Za-z, ]+) \|$")

_RESOURCES = {"topic": 2, "group": 3, "transactional id": 5}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


class Right(NamedTuple):
    """One ACL. A name that ends in `*` is a prefix."""

    principal: str
    resource: str
    name: str
    operation: str


def listed_rights() -> Iterator[Right]:
    """Yield each right of the table in docs/production.md, under the default names."""
    table = _PAGE.read_text(encoding="utf-8").partition("<!-- rights -->")[2].partition("<!-- /rights -->")[0]
    for principal, resource, names, operations in _ROW.findall(table):
        for name in re.findall(r"`([^`]+)`", names):
            for operation in operations.split(", "):
                yield Right(principal, resource, name, operation)


def rights_of(principals: Iterable[str], rename: Callable[[Right], str]) -> list[Right]:
    """Return the listed rights of these principals, under other names."""
    wanted = set(principals)
    return [right._replace(name=rename(right)) for right in listed_rights() if right.principal in wanted]


async def grant(bootstrap_servers: str, rights: Iterable[Right]) -> None:
    """Grant rights to their principals; `bootstrap_servers` is a listener whose clients may."""
    await _send(bootstrap_servers, [CreateAclsRequest(*_acl(right)) for right in rights])


async def revoke(bootstrap_servers: str, rights: Iterable[Right]) -> None:
    """Take rights away again."""
    await _send(bootstrap_servers, [DeleteAclsRequest(*_acl(right)) for right in rights])


def _acl(right: Right) -> tuple[int, str, int, str, str, int, int]:
    return (
        _RESOURCES[right.resource],
        right.name.removesuffix("*"),
        _PREFIXED if right.name.endswith("*") else _LITERAL,
        f"User:{right.principal}",
        "*",
        _OPERATIONS[right.operation],
        _ALLOW,
    )


async def _send(bootstrap_servers: str, requests: Iterable[Any]) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    try:
        await client.bootstrap()
        for request in requests:
            response = (await client.send(client.get_random_node(), request)).to_object()
            for part in response.get("creation_responses") or response["filter_responses"]:
                assert not part["error_code"], part
    finally:
        await client.close()
