"""HTTP errors of the edge.

BannerstreamError
└── HttpError               a request that gets a 4xx or 5xx response
    ├── BadRequest          400: HTTP itself is violated
    ├── InvalidToken        401: no token, or a forged, expired or foreign one
    ├── Forbidden           403: a cookie sent by a foreign page; a forged feedback token
    │   └── PagePurchase    the shop takes purchases from its servers only
    ├── NotFound            404
    ├── RequestTimeout      408: the body did not arrive in time
    ├── Replayed            409: feedback that was already accepted
    ├── ContentTooLarge     413
    ├── MisdirectedRequest  421: the visitor belongs to another shard
    ├── InvalidRequest      422
    │   └── UnknownProduct  the catalogue does not have it
    ├── RateLimited         429
    ├── Overloaded          503: Kafka or the store does not answer
    └── WrongBytes          503: the store's bytes are not the picture that their name promises
"""

from typing import ClassVar

from bannerstream.contracts.errors import BannerstreamError


class HttpError(BannerstreamError):
    """A request that gets an error response. Clients see the message: it must hold nothing secret."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    """Stable; label of `bannerstream_edge_refused_total`."""
    retry_after_s: int | None = None
    headers: dict[str, str]

    def __init__(
        self, message: str, *, retry_after_s: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)


class BadRequest(HttpError):
    """The request violates HTTP."""

    code = "bad_request"


class InvalidToken(HttpError):
    """The token is missing where one is required, or did not verify."""

    status = 401
    code = "token"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class Forbidden(HttpError):
    """The request is not entitled to what it asks for."""

    status = 403
    code = "not_allowed"


class PagePurchase(Forbidden):
    """A page reports a purchase, and `edge.page_purchases` is off."""

    code = "page_purchase"


class NotFound(HttpError):
    """Nothing exists at this path."""

    status = 404
    code = "not_found"


class RequestTimeout(HttpError):
    """The body did not arrive in time."""

    status = 408
    code = "slow"


class Replayed(HttpError):
    """The same report was accepted before."""

    status = 409
    code = "replayed"


class ContentTooLarge(HttpError):
    """The body has more bytes than `edge.max_body_bytes`."""

    status = 413
    code = "too_large"


class MisdirectedRequest(HttpError):
    """The visitor belongs to another shard. The header `Bannerstream-Shard` names it."""

    status = 421
    code = "misdirected"


class InvalidRequest(HttpError):
    """The request does not validate; the message names the field."""

    status = 422
    code = "invalid"


class UnknownProduct(InvalidRequest):
    """An event names a product that is not in the catalogue: streams would make a dead letter of it."""

    code = "unknown_product"


class RateLimited(HttpError):
    """The client sends more requests than its limit allows."""

    status = 429
    code = "too_many"


class Overloaded(HttpError):
    """A service behind the edge does not answer, or the node is at a limit of its own."""

    status = 503
    code = "overloaded"


class WrongBytes(HttpError):
    """The store answered with bytes that are not the picture: empty, cut short, spoilt, or a page of something else."""

    status = 503
    code = "wrong_bytes"
