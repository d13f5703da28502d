"""`python -m demo.shop CATALOGUE`: an edge node with the shop on it, with settings from the usual places."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from catalog.files import read_catalogue
from demo.shop.goods import Goods
from demo.shop.pages import shop_routes
from demo.shop.visitors import Visitors
from edge.main import Server, config_of
from edge.state import Edge
from settings import Settings, load_settings
from settings.logs import configure_logging
from storage import S3BannerStore, StorageMetrics


def run(settings: Settings, catalogue: Path) -> None:
    """Serve the edge and the shop until SIGTERM or SIGINT.

    Raises:
        CatalogueInvalid: the folder holds no catalogue.
        ConfigurationError: a setting does not let it start.
    """
    goods = Goods(read_catalogue(catalogue))
    registry = CollectorRegistry()
    store = S3BannerStore(settings.storage, metrics=StorageMetrics(registry))
    try:
        edge = Edge(settings, store, registry)
        config = config_of(settings, edge)
        assert isinstance(config.app, FastAPI)
        open_shop(config.app, edge, goods)
        Server(config).run()
    finally:
        store.close()


def open_shop(app: FastAPI, edge: Edge, goods: Goods) -> None:
    """Put the shop on an edge's application."""
    visitors = Visitors(edge.settings, goods)
    secret = edge.settings.privacy.user_key_secret.get_secret_value().encode()
    app.include_router(shop_routes(goods, visitors, mint=edge.tokens.mint, secret=secret))
    serve_edge = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with visitors, serve_edge(app):
            yield

    app.router.lifespan_context = lifespan


if __name__ == "__main__":
    settings = load_settings()
    configure_logging(settings)
    run(settings, Path(sys.argv[1]))
