"""The example shop: where it lies."""

from importlib.resources import files
from pathlib import Path

_SHOP = Path(str(files("bannerstream.demo.example_shop")))
CATALOGUE = _SHOP / "catalogue"
SESSION = _SHOP / "session.jsonl.gz"
