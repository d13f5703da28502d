"""What a visitor sees, by user key: for CDNs, for `<img>` without script, and to see that a visitor was forgotten.

A user key is a keyed hash of 128 bits: nobody finds another visitor's by trying.
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
            raise NotFound("this is no user key")
        edge.shard.check(user_key)

    @router.get("/v1/pointers/{user_key}", responses=openapi.POINTER, response_class=Response)
    @router.head("/v1/pointers/{user_key}", include_in_schema=False)
    async def pointer(user_key: str) -> Response:
        """Return what a visitor sees, without what is only theirs: for CDNs, which purge it by its tags."""
        check(user_key)
        answer = edge.resolver.of_visitor(user_key)
        headers = pointer_headers(user_key, answer, max_age_s)
        return Response(answer.public(user_key), media_type="application/json", headers=headers)

    @router.get("/v1/pointers/{user_key}/{size}", responses=openapi.PICTURE_POINTER, response_class=Response)
    @router.head("/v1/pointers/{user_key}/{size}", include_in_schema=False)
    async def picture_pointer(user_key: str, size: str) -> Response:
        """Redirect to the picture that a visitor sees: a plain `<img>` needs no script."""
        check(user_key)
        if _SIZE.fullmatch(size) is None:
            raise NotFound("a size is written 970x250")
        answer = edge.resolver.of_visitor(user_key)
        url = answer.picture(size, edge.settings.edge.cdn_base_url)
        if url is None:
            raise NotFound(f"this banner has no picture of {size}")
        return Response(status_code=302, headers={"Location": url, **pointer_headers(user_key, answer, max_age_s)})

    @router.get("/v1/visitors/{user_key}", responses=openapi.VISITOR, response_class=Response)
    async def visitor(user_key: str) -> Response:
        """Tell whether this node holds anything of a visitor: what `bannerstream erase --wait` asks."""
        check(user_key)
        held = "true" if user_key in edge.visitors else "false"
        body = f'{{"held":{held},"streams":{edge.hub.streams_of(user_key)}}}'
        return Response(body, media_type="application/json", headers={"Cache-Control": PRIVATE})

    return router
