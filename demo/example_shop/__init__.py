"""Paths of the example shop's catalogue and recorded session."""

from importlib.resources import files
from pathlib import Path

_SHOP = Path(str(files("bannerstream.demo.example_shop")))
CATALOGUE = _SHOP / "catalogue"
SESSION = _SHOP / "session.jsonl.gz"
