"""Copywriting: headline, line and call to action from templates and the catalogue's own facts.

Pure, except for reading its phrases once. A banner states only what the product record states; mood lines state nothing
about the product.
"""

from bannerstream.generator.copywriting.template_copy_writer import TemplateCopyWriter

__all__ = ["TemplateCopyWriter"]
