"""`banner.js`, the script that a shop embeds in its pages, and the route that serves it.

docs/embed.md is the manual.
"""

from bannerstream.edge.page.script import router

__all__ = ["router"]
