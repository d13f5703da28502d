"""`GET /banner.js`: the script without comments and spaces, which keeps it under 6 kB without a minifier."""

import hashlib
import re
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

MAX_BYTES = 6_000
"""Limit for the script before compression: it delays the shop's page."""

_CACHE = "public, max-age=3600, stale-while-revalidate=86400"
"""One hour: a new version reaches all pages the same day, and a visit loads the script once."""

_LITERAL = re.compile(r'("[^"\n]*"|`[^`]*`)')
_SPACED = re.compile(r" ?([={},:?;()&|<>]) ?")
"""Without the spaces beside one of these, no two tokens of JavaScript become another. Line ends stay."""

router = APIRouter()


@router.get("/banner.js", summary="The embeddable script", response_class=Response)
@router.head("/banner.js", include_in_schema=False)
def banner_script(request: Request) -> Response:
    """Return the script, or 304 if the browser's copy is current."""
    script = served_script()
    headers = {
        "ETag": f'"{hashlib.sha256(script).hexdigest()[:16]}"',
        "Cache-Control": _CACHE,
        "Cross-Origin-Resource-Policy": "cross-origin",  # the shop's origin loads it
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(script, media_type="text/javascript", headers=headers)


@cache
def served_script() -> bytes:
    """Return banner.js without comment lines, indentation, and spaces beside punctuation outside of literals."""
    source = files("bannerstream.edge.page").joinpath("banner.js").read_text("utf-8")
    lines = (line.strip() for line in source.splitlines())
    code = "\n".join(line for line in lines if line and not line.startswith("//"))
    parts = _LITERAL.split(code)
    parts[::2] = [_SPACED.sub(r"\1", part) for part in parts[::2]]
    return "".join(parts).encode()
