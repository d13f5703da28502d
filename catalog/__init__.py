"""The shop's catalogue on its way in: reads and checks its files, stores its pictures, publishes its records.

`read_catalogue` needs no server, nor does `check`; `load` brings bucket and topics to what the files say.
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
