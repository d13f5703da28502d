"""Bannerstream: turns clicks and purchases into personal banners, seconds later.

Each room of the house is a folder at the top of the repository and a link here, so that it is imported as
`bannerstream.<room>` and the wheel holds one top-level name. docs/architecture.md says what each room is for.
"""

from importlib.metadata import version

__version__ = version("bannerstream")
