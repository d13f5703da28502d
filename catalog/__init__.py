"""The shop's catalogue on its way in: reads and checks its files, stores its pictures, publishes its records.

`read_catalogue` needs no server, nor does `check`; `load` brings bucket and topics to what the files say.
Imports storage, broker, settings and contracts.
"""

from catalog.errors import CatalogueInvalid, Problem
from catalog.files import Catalogue, read_catalogue
from catalog.loading import LoadReport, load
from catalog.pictures import CheckedPicture, check

__all__ = [
    "Catalogue",
    "CatalogueInvalid",
    "CheckedPicture",
    "LoadReport",
    "Problem",
    "check",
    "load",
    "read_catalogue",
]
