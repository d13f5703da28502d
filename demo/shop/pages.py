"""Routes of the shop: pages, static files, and the panel's API."""

import secrets
from collections.abc import Callable
from importlib.resources import files
from typing import Annotated

import jinja2
import msgspec
from fastapi import APIRouter, Cookie, HTTPException, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from bannerstream.contracts.keys import user_key
from bannerstream.demo.shop.shop_catalogue import ShopCatalogue, ShopItem, picture_webp
from bannerstream.demo.shop.visitor_profiles import VisitorProfiles

COOKIE = "shop_visitor"
"""Cookie with the visitor's id: random, since the shop has no login."""

_YEAR_S = 365 * 86_400
_FOLDER = files("bannerstream.demo.shop")
_STATIC = {
    "shop.css": "text/css",
    "shop.js": "text/javascript",
    "panel.js": "text/javascript",
}
_FONTS = {
    "manrope.ttf": ("fontpkg_manrope", "files/Manrope[wght].ttf"),
    "source-serif.ttf": ("fontpkg_source_serif_4", "files/SourceSerif4[opsz,wght].ttf"),
}
_FRESH = {"Cache-Control": "no-store"}
_PAGE = _FRESH | {
    # Cards set their colours by style attributes; everything else is loaded from this origin.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src-attr 'unsafe-inline'; "
    "frame-ancestors 'none'"
}
_DAY = {"Cache-Control": "public, max-age=86400"}

VisitorId = Annotated[str | None, Cookie(alias=COOKIE, pattern=r"^[A-Za-z0-9_-]{16,64}$")]


def page_routes(catalogue: ShopCatalogue, mint: Callable[[str], str], secret: bytes) -> APIRouter:
    """Return the routes of the pages. `mint` makes a visitor's token, `secret` keys the user keys."""
    router = APIRouter(include_in_schema=False)
    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _FOLDER.joinpath("templates", name).read_text("utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = templates.get_template("shop.html.j2")

    @router.get("/")
    async def home() -> RedirectResponse:
        return RedirectResponse("/shop", 302)

    @router.get("/shop")
    async def shelves(visitor: VisitorId = None) -> HTMLResponse:
        return rendered(visitor, None)

    @router.get("/p/{product_id}")
    async def product(product_id: str, visitor: VisitorId = None) -> HTMLResponse:
        item = catalogue.get(product_id)
        if item is None:
            raise HTTPException(404, "there is no such product")
        return rendered(visitor, item)

    def rendered(visitor: str | None, item: ShopItem | None) -> HTMLResponse:
        visitor_id = visitor or secrets.token_urlsafe(16)
        response = HTMLResponse(
            page.render(
                catalogue=catalogue,
                item=item,
                likes=catalogue.similar(item, 4) if item is not None else [],
                token=mint(visitor_id),
                user_key=user_key(visitor_id, secret),
            ),
            headers=_PAGE,
        )
        if visitor is None:
            _set_visitor_cookie(response, visitor_id)
        return response

    return router


def file_routes(catalogue: ShopCatalogue) -> APIRouter:
    """Return the routes of the files that the pages load."""
    router = APIRouter(include_in_schema=False)

    @router.get("/shop/pictures/{product_id}.webp")
    def picture(product_id: str) -> Response:
        item = catalogue.get(product_id)
        if item is None or item.picture is None:
            raise HTTPException(404, "there is no such picture")
        return Response(picture_webp(item.picture), media_type="image/webp", headers=_DAY)

    @router.get("/shop/static/{name}")
    def static(name: str) -> Response:
        if name in _STATIC:
            content = _FOLDER.joinpath("static", name).read_bytes()
            return Response(content, media_type=_STATIC[name], headers={"Cache-Control": "no-cache"})
        if name in _FONTS:
            package, path = _FONTS[name]
            return Response(files(package).joinpath(path).read_bytes(), media_type="font/ttf", headers=_DAY)
        raise HTTPException(404, "there is no such file")

    return router


def visitor_routes(visitors: VisitorProfiles, mint: Callable[[str], str], secret: bytes) -> APIRouter:
    """Return the routes of the panel's API. A cookie identifies the visitor."""
    router = APIRouter(include_in_schema=False)

    @router.get("/shop/token")
    async def token(visitor: VisitorId = None) -> PlainTextResponse:
        """Return a new token, for banner.js when the page's own has expired."""
        return PlainTextResponse(mint(_require_visitor(visitor)), headers=_FRESH)

    @router.get("/shop/visitor")
    async def profile(visitor: VisitorId = None) -> Response:
        """Return the panel's content."""
        found = await visitors.profile(user_key(_require_visitor(visitor), secret))
        return Response(msgspec.json.encode(found), media_type="application/json", headers=_FRESH)

    @router.post("/shop/newcomer")
    async def newcomer() -> Response:
        """Start over as a new visitor."""
        response = Response(status_code=204, headers=_FRESH)
        _set_visitor_cookie(response, secrets.token_urlsafe(16))
        return response

    return router


def _require_visitor(visitor: str | None) -> str:
    if visitor is None:
        raise HTTPException(401, "no visitor cookie")
    return visitor


def _set_visitor_cookie(response: Response, visitor_id: str) -> None:
    response.set_cookie(COOKIE, visitor_id, max_age=_YEAR_S, httponly=True, samesite="lax")
