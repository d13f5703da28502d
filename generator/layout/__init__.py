"""Layout: plans where things go, and composes scene, product and words into a banner.

Pure: takes and returns arrays; reads only font files. May import contracts and `generator.pipeline.ports`; does not
know painters, stores or topics.
"""

from bannerstream.generator.layout.planner import plan, template_names
from bannerstream.generator.layout.render import lay_out

__all__ = ["lay_out", "plan", "template_names"]
