"""The secured broker of the session, and what tests need around it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.secured_kafka import PRINCIPALS, Deployment, SecuredKafka, password_of
from tests.support.servers import Servers
from tests.support.token_endpoint import TokenEndpoint


@pytest.fixture
def secured(shared_servers: Servers) -> SecuredKafka:
    """A running broker that other tests use, too."""
    return SecuredKafka.at(shared_servers.secured_kafka())


@pytest.fixture
def endpoint(secured: SecuredKafka) -> Iterator[TokenEndpoint]:
    """A token endpoint that knows every principal."""
    secrets = {principal: password_of(principal) for principal in PRINCIPALS}
    with TokenEndpoint(secrets, secured.pki.token).serving() as endpoint:
        yield endpoint


@pytest.fixture
def deployment(
    secured: SecuredKafka,
    endpoint: TokenEndpoint,
    fresh_name: str,
    overrides: dict[str, dict[str, Any]],
    tmp_path: Path,
) -> Deployment:
    """Settings of every service under its own principal; nothing is granted or created yet."""
    return Deployment(secured, fresh_name, overrides, tmp_path, endpoint.url)
