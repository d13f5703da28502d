"""AWS Signature Version 4, for requests with a body and without a query.

Source: AWS IAM User Guide, "Create a signed AWS API request"; checked against the example of that guide.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """AWS credentials. `session_token` comes with temporary keys."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def signature_headers(
    keys: AwsKeys,
    *,
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    service: str,
    region: str,
    now_s: float,
) -> dict[str, str]:
    """Return the headers to add to `headers`; all are signed. `now_s`: epoch seconds.

    AWS accepts the signature for five minutes.
    """
    date = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(url)
    added = {"X-Amz-Date": date}
    if keys.session_token is not None:
        added["X-Amz-Security-Token"] = keys.session_token
    signed = {name.lower(): value.strip() for name, value in {"Host": parts.netloc, **headers, **added}.items()}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            method,
            quote(parts.path or "/", safe="/-_.~"),
            parts.query,
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    added["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return added
