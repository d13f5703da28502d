"""`GET /banner.js`: the script without its comments and indentation, so that it stays under 6 kB without a minifier."""

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

MAX_BYTES = 6_000
"""What the script may weigh on the wire before compression: it stands in the way of the shop's page."""

_CACHE = "public, max-age=3600, stale-while-revalidate=86400"
"""An hour: a new version reaches every page the same day, and a visitor loads it once."""

router = APIRouter()


@router.get("/banner.js", summary="The embeddable script", response_class=Response)
def banner_script(request: Request) -> Response:
    """Return the script; 304 where the browser has it."""
    script = served_script()
    headers = {
        "ETag": f'"{hashlib.sha256(script).hexdigest()[:16]}"',
        "Cache-Control": _CACHE,
        "Cross-Origin-Resource-Policy": "cross-origin",  # made to be loaded by the shop's origin
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(script, media_type="text/javascript", headers=headers)


@cache
def served_script() -> bytes:
    """Return banner.js as it is sent: every line's indentation and every line that is a comment left out."""
    source = files("bannerstream.edge.page").joinpath("banner.js").read_text("utf-8")
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")).encode()
