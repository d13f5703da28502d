"""Requests that Schemathesis makes of the OpenAPI document: no 5xx, and no answer that the document lacks."""

import asyncio
from collections.abc import Callable

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from prometheus_client import CollectorRegistry
from schemathesis.checks import CHECKS
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema

from bannerstream.edge.app import create_app
from bannerstream.edge.fakes import MemorySink
from bannerstream.edge.node import EdgeNode
from bannerstream.settings import Settings
from bannerstream.storage.fakes import MemoryBannerStore
from tests.support.edge_node import assignment, ready

pytestmark = pytest.mark.timeout(300)

EXAMPLES = 20
"""Requests of each operation and mode: all together take 20 s of a core."""

OPERATIONS = (
    "GET /v1/banner",
    "GET /v1/pointers/{user_key}",
    "GET /v1/pointers/{user_key}/{size}",
    "GET /v1/visitors/{user_key}",
    "POST /v1/events",
    "POST /v1/feedback",
    "GET /b/{name}",
    "GET /healthz",
    "GET /readyz",
    "GET /banner.js",
)
"""All but the live stream, which does not end."""

UNLIMITED = {
    "rate_per_visitor": 1e9,
    "burst_per_visitor": 10**9,
    "rate_per_address": 1e9,
    "burst_per_address": 10**9,
    "page_purchases": True,
}


async def _for_ever() -> None:
    await asyncio.Event().wait()


@pytest.fixture(scope="module")
def edge() -> EdgeNode:
    """A node that is ready, and whose topics stand still."""
    edge = EdgeNode(Settings(edge=UNLIMITED), MemoryBannerStore(), CollectorRegistry(), MemorySink)
    for reader in (edge.follower, edge.products, edge.refusals):
        reader.run = _for_ever  # type: ignore[method-assign]
    edge.follower.caught_up.set()
    edge.bucket.has_answered.set()
    user_key = edge.tokens.visitor(edge.tokens.mint("ada")).key
    edge.banners.announce(ready("a"))
    edge.visitors.assign(user_key, assignment(user_key, 1, "a"))
    return edge


@pytest.fixture(scope="module")
def document(edge: EdgeNode) -> BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(edge))


def requests_of(document: BaseSchema, operation: str, mode: GenerationMode, check: Callable[..., None]) -> None:
    """Call `check` with requests of one operation, the same in every run."""
    method, path = operation.split()
    cases = document[path][method].as_strategy(generation_mode=mode)
    options = {"derandomize": True, "deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    settings(max_examples=EXAMPLES, **options)(given(case=cases)(check))()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_the_document_allows_is_accepted(operation: str, document: BaseSchema, edge: EdgeNode) -> None:
    acceptance = CHECKS.get_one("positive_data_acceptance")

    def check(case: schemathesis.Case) -> None:
        response = case.call(headers={"Authorization": f"Bearer {edge.tokens.mint('ada')}"})
        excluded = [acceptance] if _is_of_another_time(response) else []
        case.validate_response(response, excluded_checks=excluded)

    requests_of(document, operation, GenerationMode.POSITIVE, check)


def _is_of_another_time(response: Response) -> bool:
    """Return whether an event was refused for its time: a document cannot say what is too old today."""
    message = response.json()["message"] if response.status_code == 422 else ""
    return "max_age_days" in message or message.endswith(".time")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if "{" in each or "POST" in each])
def test_what_the_document_forbids_is_refused(operation: str, document: BaseSchema, edge: EdgeNode) -> None:
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {edge.tokens.mint('ada')}"})

    requests_of(document, operation, GenerationMode.NEGATIVE, check)


def test_every_operation_is_asked(document: BaseSchema) -> None:
    labels = {found.ok().label for found in document.get_all_operations()}
    assert labels == {*OPERATIONS, "GET /v1/stream"}
