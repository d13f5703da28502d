"""What the edge refuses, and how it says so.

BannerstreamError
└── Refused                 a request that is answered with a status of 4xx or 5xx
    ├── NotWhoTheySay       401: no token, or one that is forged, expired or not meant for us
    ├── NotAllowed          403: a cookie from a page of somebody else; feedback that was made up
    ├── NothingThere        404
    ├── Stale               409: feedback that was given before
    ├── TooLarge            413
    ├── Misdirected         421: this visitor is another node's
    ├── Invalid             422
    ├── TooMany             429
    └── Overloaded          503: Kafka or the store does not answer
"""

from typing import ClassVar

from bannerstream.contracts.errors import BannerstreamError


class Refused(BannerstreamError):
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


class NotWhoTheySay(Refused):
    """No token where one is needed, or one that is not to be believed."""

    status = 401
    code = "token"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class NotAllowed(Refused):
    """The request says something that it has no right to say."""

    status = 403
    code = "not_allowed"


class NothingThere(Refused):
    """There is nothing under this address."""

    status = 404
    code = "not_found"


class Stale(Refused):
    """This was said before."""

    status = 409
    code = "replayed"


class TooLarge(Refused):
    """The body has more bytes than `edge.max_body_bytes`."""

    status = 413
    code = "too_large"


class Misdirected(Refused):
    """The visitor belongs to another node. The header `Bannerstream-Shard` says to which."""

    status = 421
    code = "misdirected"


class Invalid(Refused):
    """The body is not what it should be; the message names the field."""

    status = 422
    code = "invalid"


class TooMany(Refused):
    """More requests than the limits allow."""

    status = 429
    code = "too_many"


class Overloaded(Refused):
    """Something behind the edge does not answer."""

    status = 503
    code = "overloaded"
