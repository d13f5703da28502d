"""The catalogue of a run, with a drawn picture of every product."""

from pathlib import Path

from PIL import Image, ImageDraw

from bannerstream.catalog.folder import CatalogueFolder
from bannerstream.catalog.loader import load
from bannerstream.settings import Settings
from tests.support.shop import COHORTS, PRODUCTS

_SIDE = 256


async def load_catalogue(settings: Settings, folder: Path) -> None:
    """Draw the pictures into `folder`, and load pictures and records as a shop does."""
    await load(CatalogueFolder(PRODUCTS, COHORTS, _draw_pictures(folder), folder), settings)


def _draw_pictures(folder: Path) -> dict[str, Path]:
    """Draw a picture per product and return the files by product id."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, product in enumerate(PRODUCTS):
        picture = Image.new("RGBA", (_SIDE, _SIDE), (0, 0, 0, 0))
        colour = (40 + 25 * number, 180 - 20 * number, 90, 255)
        ImageDraw.Draw(picture).rounded_rectangle((40, 30, 216, 226), radius=20 + 8 * number, fill=colour)
        files[product.product_id] = folder / f"{product.product_id}.png"
        picture.save(files[product.product_id])
    return files
