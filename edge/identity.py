"""Whose request this is: the token in the header, the cookie or, where a header cannot be sent, the address."""

import math
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import Scope

from bannerstream.edge.errors import Forbidden, InvalidToken, RateLimited
from bannerstream.edge.rate_limit import RateLimit
from bannerstream.edge.sharding import Shard
from bannerstream.edge.visitor_tokens import Visitor, VisitorTokens

COOKIE = "bs_visitor"
MAX_FIELDS = 20
"""Of an address. Reading them takes time, and no page of a shop sends as many."""
PARAMETER = "token"
"""Of GET requests only: `EventSource` and `<img>` send no headers. Addresses end up in logs, hence the short life."""


class Identity:
    """Finds out who asks, and how often they may."""

    def __init__(self, tokens: VisitorTokens, shard: Shard, rate: RateLimit, cors_origins: list[str]) -> None:
        self._tokens = tokens
        self._shard = shard
        self._rate = rate
        self._origins = frozenset(cors_origins)

    def visitor(self, request: Request) -> Visitor:
        """Return who asks.

        Raises:
            InvalidToken: without a token, or with one that is not to be believed.
            MisdirectedRequest: another node has this visitor.
            RateLimited: too many requests with this visitor's tokens.
            Forbidden: a page of somebody else sent the visitor's cookie.
        """
        visitor = self.maybe_visitor(request)
        if visitor is None:
            raise InvalidToken("a visitor's token is required")
        return visitor

    def maybe_visitor(self, request: Request) -> Visitor | None:
        """Return who asks, or None without a token; raises as `visitor` does."""
        token, from_cookie = _token_of(request)
        if token is None:
            return None
        if from_cookie and request.method != "GET":
            self._reject_foreign_origin(request)
        visitor = self._tokens.visitor(token)
        self._shard.check(visitor.key)
        if wait := self._rate.wait_s(visitor.key):
            raise RateLimited("too many requests of this visitor", retry_after_s=math.ceil(wait))
        return visitor

    def _reject_foreign_origin(self, request: Request) -> None:
        """Refuse a cookie that a browser sent along with another page's request: browsers always say whose it is."""
        origin = request.headers.get("origin")
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        if origin is not None and origin != own and origin not in self._origins:
            raise Forbidden("this page may not act for the visitor")


def _token_of(request: Request) -> tuple[str | None, bool]:
    """Return the token that a request carries, and whether a cookie carries it."""
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
            raise InvalidToken("the address has too many fields to look for a token in") from error
        if named:
            return named[0], False
    return cookie, cookie is not None
