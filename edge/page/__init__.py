"""The script that a shop puts on its pages: `banner.js`, written by hand, and how it is served.

docs/embed.md is its manual.
"""

from bannerstream.edge.page.script import router

__all__ = ["router"]
