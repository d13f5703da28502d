"""`python -m bannerstream.demo.shop CATALOGUE`: an edge node with the demonstration shop on it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from bannerstream.catalog.folder import read_catalogue
from bannerstream.demo.shop.pages import file_routes, page_routes, visitor_routes
from bannerstream.demo.shop.shop_catalogue import ShopCatalogue
from bannerstream.demo.shop.visitor_profiles import VisitorProfiles
from bannerstream.edge.main import run
from bannerstream.edge.node import EdgeNode
from bannerstream.service.logs import configure_logging
from bannerstream.settings import load_settings


def add_shop(catalogue: ShopCatalogue, app: FastAPI, edge: EdgeNode) -> None:
    """Add the shop's routes and tasks to an edge's application."""
    visitors = VisitorProfiles(edge.settings, catalogue)
    secret = edge.settings.privacy.user_key_secret.get_secret_value().encode()
    mint = edge.tokens.mint
    for router in (
        page_routes(catalogue, mint, secret),
        file_routes(catalogue),
        visitor_routes(visitors, mint, secret),
    ):
        app.include_router(router)
    serve_edge = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with visitors, serve_edge(app):
            yield

    app.router.lifespan_context = lifespan


if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings, partial(add_shop, ShopCatalogue(read_catalogue(Path(sys.argv[1])))))
