"""What the edge refuses, and how it says so.

BannerstreamError
└── HttpError                 a request that is answered with a status of 4xx or 5xx
    ├── InvalidToken       401: no token, or one that is forged, expired or not meant for us
    ├── Forbidden          403: a cookie from a page of somebody else; feedback that was made up
    ├── NotFound        404
    ├── Replayed               409: feedback that was given before
    ├── ContentTooLarge            413
    ├── MisdirectedRequest         421: this visitor is another node's
    ├── InvalidRequest             422
    ├── RateLimited             429
    └── Overloaded          503: Kafka or the store does not answer
"""

from typing import ClassVar

from bannerstream.contracts.errors import BannerstreamError


class HttpError(BannerstreamError):
    """A request that is answered with an error. The message is shown to whoever asked: nothing secret belongs in it."""

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


class InvalidToken(HttpError):
    """No token where one is needed, or one that is not to be believed."""

    status = 401
    code = "token"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class Forbidden(HttpError):
    """The request says something that it has no right to say."""

    status = 403
    code = "not_allowed"


class NotFound(HttpError):
    """There is nothing under this address."""

    status = 404
    code = "not_found"


class Replayed(HttpError):
    """This was said before."""

    status = 409
    code = "replayed"


class ContentTooLarge(HttpError):
    """The body has more bytes than `edge.max_body_bytes`."""

    status = 413
    code = "too_large"


class MisdirectedRequest(HttpError):
    """The visitor belongs to another node. The header `Bannerstream-Shard` says to which."""

    status = 421
    code = "misdirected"


class InvalidRequest(HttpError):
    """The body is not what it should be; the message names the field."""

    status = 422
    code = "invalid"


class RateLimited(HttpError):
    """More requests than the limits allow."""

    status = 429
    code = "too_many"


class Overloaded(HttpError):
    """Something behind the edge does not answer."""

    status = 503
    code = "overloaded"
