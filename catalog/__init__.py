"""Loads the shop's catalogue: reads and checks its files, stores its pictures, publishes its records.

`read_catalogue` and `check` need no server; `load` makes bucket and topics match the files.
Imports storage, broker, settings and contracts.
"""

from bannerstream.catalog.errors import CatalogueInvalid, Problem
from bannerstream.catalog.folder import CatalogueFolder, read_catalogue
from bannerstream.catalog.loader import LoadReport, load
from bannerstream.catalog.pictures import CheckedPicture, check

__all__ = [
    "CatalogueFolder",
    "CatalogueInvalid",
    "CheckedPicture",
    "LoadReport",
    "Problem",
    "check",
    "load",
    "read_catalogue",
]
