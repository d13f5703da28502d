"""How a connection to a broker begins, and why it did not.

aiokafka logs why a connection failed and then raises "Unable to bootstrap" or waits: the reason is lost to its caller.
With OAUTHBEARER it takes a refusal for consent (RFC 7628, 3.2.3: the client answers it with `%x01`, and then the
exchange fails). Both are mended where aiokafka's client opens its connections.
"""

import ssl
import time
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import aiokafka.client
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed

from bannerstream.contracts.errors import BannerstreamError
from bannerstream.service.compat import overrides_private

RECENT_S = 120.0
"""How long a failed connection explains the failures that follow: requests time out after 40 s."""

CLUSTERS: "WeakKeyDictionary[ssl.SSLContext, str]" = WeakKeyDictionary()
"""`bootstrap_servers` by the TLS context of a client: brokers advertise other addresses than those."""


class Failure(NamedTuple):
    """Why a connection could not be opened."""

    address: str
    error: Exception
    at_s: float
    """Monotonic."""


_failures: dict[str, Failure] = {}
"""By address and by `bootstrap_servers`; a connection that works clears its own."""


def last_failure(bootstrap_servers: str) -> Failure | None:
    """Return why the last connection to this cluster failed, if none has worked since."""
    known = [_failures.get(key) for key in (bootstrap_servers, *map(str.strip, bootstrap_servers.split(",")))]
    recent = [failure for failure in known if failure and time.monotonic() - failure.at_s < RECENT_S]
    return max(recent, key=lambda failure: failure.at_s, default=None)


class _CheckedOAuth(OAuthAuthenticator):  # type: ignore[misc]  # aiokafka has no types
    """Takes a challenge after the token for what it is: the broker's refusal."""

    @overrides_private("aiokafka.conn:OAuthAuthenticator.step", "9dd1660dfc5c")
    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """Send the token; raise when the broker refuses it."""
        if self._token_sent and payload:
            reason = payload.decode(errors="replace")
            raise SaslAuthenticationFailed(reason)
        first: tuple[bytes, bool] | None = await super().step(payload)
        return first


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    @overrides_private("aiokafka.conn:AIOKafkaConnection.authenticator_oauth", "b4d2e1e6ab2f")
    def authenticator_oauth(self) -> _CheckedOAuth:
        return _CheckedOAuth(sasl_oauth_token_provider=self._sasl_oauth_token_provider)


@overrides_private("aiokafka.conn:create_conn", "673276cbddb4")
@overrides_private("aiokafka.client:AIOKafkaClient.bootstrap", "f9d734f5446b")
@overrides_private("aiokafka.client:AIOKafkaClient._get_conn", "1eaeaab22404")
async def open_connection(host: str, port: int, **options: Any) -> AIOKafkaConnection:
    """Open a connection as aiokafka's `create_conn` does, and remember why it failed."""
    connection = _Connection(host, port, **options)
    context: ssl.SSLContext | None = options.get("ssl_context")
    keys = [f"{host}:{port}", "" if context is None else CLUSTERS.get(context, "")]
    try:
        await connection.connect()
    except (TimeoutError, OSError, KafkaError, BannerstreamError) as error:
        failure = Failure(keys[0], error, time.monotonic())
        _failures.update(dict.fromkeys(filter(None, keys), failure))
        if isinstance(error, BannerstreamError):  # aiokafka tries again after its own errors only
            raise KafkaConnectionError(str(error)) from error
        raise
    for key in keys:
        _failures.pop(key, None)
    return connection


aiokafka.client.create_conn = open_connection
