"""Pointers: a visitor's banner by user key, for CDNs, for `<img>` without script, and to verify erasures.

A user key is a keyed hash of 128 bits, so that other visitors' keys cannot be guessed.
"""

import re

from fastapi import APIRouter, Response

from bannerstream.edge import openapi
from bannerstream.edge.errors import NotFound
from bannerstream.edge.node import EdgeNode
from bannerstream.edge.response_headers import PRIVATE, pointer_headers

_USER_KEY = re.compile(r"[0-9a-f]{32}")
_SIZE = re.compile(r"[1-9][0-9]{1,3}x[1-9][0-9]{1,3}")


def pointer_routes(edge: EdgeNode) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["pointers"])
    max_age_s = edge.settings.edge.pointer_max_age_s

    def check(user_key: str) -> None:
        if _USER_KEY.fullmatch(user_key) is None:
            raise NotFound("this is not a user key")
        edge.shard.check(user_key)

    @router.get("/v1/pointers/{user_key}", responses=openapi.POINTER, response_class=Response)
    @router.head("/v1/pointers/{user_key}", include_in_schema=False)
    async def pointer(user_key: str) -> Response:
        """Return a visitor's banner without private fields, for CDNs, which purge it by its tags."""
        check(user_key)
        resolved = edge.resolver.of_visitor(user_key)
        headers = pointer_headers(user_key, resolved, max_age_s)
        return Response(resolved.public(user_key), media_type="application/json", headers=headers)

    @router.get("/v1/pointers/{user_key}/{size}", responses=openapi.PICTURE_POINTER, response_class=Response)
    @router.head("/v1/pointers/{user_key}/{size}", include_in_schema=False)
    async def picture_pointer(user_key: str, size: str) -> Response:
        """Redirect to the picture that a visitor sees, for a plain `<img>` without script."""
        check(user_key)
        if _SIZE.fullmatch(size) is None:
            raise NotFound("a size looks like 970x250")
        resolved = edge.resolver.of_visitor(user_key)
        url = resolved.picture(size, edge.settings.edge.cdn_base_url)
        if url is None:
            raise NotFound(f"this banner has no picture of {size}")
        return Response(status_code=302, headers={"Location": url, **pointer_headers(user_key, resolved, max_age_s)})

    @router.get("/v1/visitors/{user_key}", responses=openapi.VISITOR, response_class=Response)
    async def visitor(user_key: str) -> Response:
        """Return whether this node holds a visitor, for `bannerstream erase --wait`."""
        check(user_key)
        held = "true" if user_key in edge.visitors else "false"
        body = f'{{"held":{held},"streams":{edge.hub.streams_of(user_key)}}}'
        return Response(body, media_type="application/json", headers={"Cache-Control": PRIVATE})

    return router
