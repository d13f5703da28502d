"""Pictures, `/b/<sha256>.<extension>`: served by the node, or redirected to the CDN that serves the bucket."""

from fastapi import APIRouter, Request, Response

from bannerstream.edge import openapi
from bannerstream.edge.addresses import client_address
from bannerstream.edge.banner_facts import picture_url
from bannerstream.edge.errors import NotFound
from bannerstream.edge.node import EdgeNode
from bannerstream.edge.pictures import MEDIA_TYPES, NAME, byte_range, etag_of
from bannerstream.edge.response_headers import IMMUTABLE

MISS_COST = 5
"""Requests that a picture costs, beyond one, which the bucket does not have. Pages ask for pictures that there are;
invented names would keep the bucket busy."""

_SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def picture_routes(edge: EdgeNode) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["pictures"])
    cdn = edge.settings.edge.cdn_base_url

    async def fetched(name: str, request: Request) -> bytes:
        try:
            return await edge.pictures.get(name)
        except NotFound:
            edge.addresses.overdraw(client_address(request.scope), MISS_COST)
            raise

    @router.get("/b/{name}", responses=openapi.PICTURE, response_class=Response)
    @router.head("/b/{name}", include_in_schema=False)
    async def picture(name: str, request: Request) -> Response:
        """Return a picture. Its content never changes, because its name is the content's hash."""
        if NAME.fullmatch(name) is None:
            raise NotFound("there is no such picture")
        if cdn is not None and not edge.pictures.is_own(name):
            return Response(status_code=302, headers={"Location": picture_url(name, cdn), "Cache-Control": IMMUTABLE})
        headers = {"ETag": etag_of(name), "Cache-Control": IMMUTABLE, "Accept-Ranges": "bytes"}
        known = request.headers.get("if-none-match", "").strip()
        if known == "*":  # matches any existing picture, so check that it exists
            await fetched(name, request)
        if _matches(known, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        content = await fetched(name, request)
        media_type = MEDIA_TYPES[name.rpartition(".")[2]]
        headers["Content-Security-Policy"] = _SVG_POLICY
        return _ranged(content, request, headers, media_type)

    return router


def _matches(header: str, etag: str) -> bool:
    """Return whether `If-None-Match` names the picture (weak comparison, RFC 9110 §13.1.2)."""
    return header == "*" or etag in (each.strip().removeprefix("W/") for each in header.split(","))


def _ranged(content: bytes, request: Request, headers: dict[str, str], media_type: str) -> Response:
    """Return the picture, or the range of it that the request names (RFC 9110 §14)."""
    requested = request.headers.get("range")
    if requested is None or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Response(content, media_type=media_type, headers=headers)
    try:
        part = byte_range(requested, len(content))
    except ValueError:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{len(content)}"})
    if part is None:
        return Response(content, media_type=media_type, headers=headers)
    first, last = part
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, media_type)
