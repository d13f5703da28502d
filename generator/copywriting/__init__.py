"""Copywriting: headline, line and call to action from templates and the catalogue's own facts.

Pure. A banner may state only what the product record states; mood lines state nothing about the product. May import
contracts and generator.ports.
"""

from bannerstream.generator.copywriting.template_copy_writer import TemplateCopyWriter

__all__ = ["TemplateCopyWriter"]
