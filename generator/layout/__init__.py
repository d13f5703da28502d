"""Layout: plans where things go, and composes scene, product and words into a banner.

Pure: takes and returns arrays; reads nothing but fonts and its own templates. May import contracts and
generator.ports; knows nothing of painters, stores or topics.
"""

from generator.layout.composing import lay_out
from generator.layout.planning import plan, template_names

__all__ = ["lay_out", "plan", "template_names"]
