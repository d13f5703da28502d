"""Identifies the visitor of a request by the token in its header, cookie or, for GET, query string."""

import math
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import Scope

from bannerstream.edge.errors import Forbidden, InvalidToken, RateLimited
from bannerstream.edge.sharding import Shard
from bannerstream.edge.visitor_tokens import Visitor, VisitorTokens
from bannerstream.service.rate_limit import RateLimit

COOKIE = "bs_visitor"
MAX_FIELDS = 20
"""Fields read from a query string. Parsing costs time, and no shop's page sends as many."""
PARAMETER = "token"
"""Query parameter of GET requests: `EventSource` and `<img>` cannot send headers. URLs end up in logs, hence tokens
live shortly."""


class Identity:
    """Authenticates visitors and limits their request rate."""

    def __init__(self, tokens: VisitorTokens, shard: Shard, rate: RateLimit, cors_origins: list[str]) -> None:
        self._tokens = tokens
        self._shard = shard
        self._rate = rate
        self._origins = frozenset(cors_origins)

    def visitor(self, request: Request, cost: int = 1) -> Visitor:
        """Return the visitor who sent the request, which takes `cost` of the visitor's rate.

        Raises:
            InvalidToken: the token is missing or does not verify.
            MisdirectedRequest: the visitor belongs to another shard.
            RateLimited: too many requests with this visitor's tokens.
            Forbidden: a foreign page sent the visitor's cookie.
        """
        visitor = self.maybe_visitor(request, cost)
        if visitor is None:
            raise InvalidToken("a visitor's token is required")
        return visitor

    def maybe_visitor(self, request: Request, cost: int = 1) -> Visitor | None:
        """Return the visitor who sent the request, or None without a token. Raises as `visitor` does."""
        token, from_cookie = _token_of(request)
        if token is None:
            return None
        if from_cookie and request.method != "GET":
            self._reject_foreign_origin(request)
        visitor = self._tokens.visitor(token)
        self._shard.check(visitor.key)
        self.charge(visitor, cost)
        return visitor

    def charge(self, visitor: Visitor, cost: int) -> None:
        """Take from the visitor's rate.

        Raises:
            RateLimited: there is not enough left; nothing was taken.
        """
        if wait_s := self._rate.wait_s(visitor.key, cost):
            raise RateLimited("too many events or requests of this visitor", retry_after_s=math.ceil(wait_s))

    def _reject_foreign_origin(self, request: Request) -> None:
        """Reject a cookie that a browser attached to a foreign page's request; browsers always send `Origin` then."""
        origin = request.headers.get("origin")
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        if origin is not None and origin != own and origin not in self._origins:
            raise Forbidden("this page may not act for the visitor")


def _token_of(request: Request) -> tuple[str | None, bool]:
    """Return a request's token, and whether it came from the cookie."""
    scope: Scope = request.scope
    cookie = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() != b"bearer" or not token.isascii():
                raise InvalidToken("the header Authorization holds no bearer token")
            return token.strip().decode(), False
        if name == b"cookie":
            cookie = request.cookies.get(COOKIE)
    query: bytes = scope["query_string"]
    if query and request.method == "GET":
        try:
            named = parse_qs(query.decode("latin-1"), max_num_fields=MAX_FIELDS).get(PARAMETER)
        except ValueError as error:
            raise InvalidToken("the query string has too many fields") from error
        if named:
            return named[0], False
    return cookie, cookie is not None
