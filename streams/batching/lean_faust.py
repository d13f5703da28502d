"""Imports Faust without what a worker of batches never uses: aiohttp, for a web that is off, and YAML.

`faust.types.web` imports aiohttp's client for one annotation, which takes a fifth of the time of all of a worker's
imports; `faust.serializers.codecs` does without YAML where there is none. While Faust is imported here, an empty class
stands in for the client and YAML is not found; afterwards both can be imported as ever. An app that needs Faust's
`http_client` passes `HttpClient="aiohttp.client:ClientSession"`: `app.OPTIONS` names none. A process that has imported
Faust or aiohttp before is left as it is.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from bannerstream.streams.batching.compat import overrides_private


@contextmanager
def _without(*names: str) -> Iterator[None]:
    absent = {name: None for name in names if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]  # None: the import fails
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
@overrides_private("faust.app.base:App.http_client", "2b3a68cb1be9")
def _without_web() -> Iterator[None]:
    """Let `from aiohttp.client import ClientSession` find an empty class, which `App.http_client` never uses."""
    package, client = ModuleType("aiohttp"), ModuleType("aiohttp.client")
    client.ClientSession = type("ClientSession", (), {})  # type: ignore[attr-defined]
    sys.modules |= {"aiohttp": package, "aiohttp.client": client}
    try:
        yield
    finally:
        del sys.modules["aiohttp"], sys.modules["aiohttp.client"]


if "faust" not in sys.modules and "aiohttp" not in sys.modules:
    with _without("yaml"), _without_web():
        for _name in ("faust", "faust.app.base", "faust.serializers.codecs"):
            import_module(_name)
