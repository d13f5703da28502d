"""The sizes a banner comes in, and how many bytes each may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BannerSize:
    """One size in CSS pixels with its byte cap."""

    width: int
    height: int
    max_bytes: int

    @property
    def name(self) -> str:
        """Return the size as messages name it, `970x250`."""
        return f"{self.width}x{self.height}"


BILLBOARD = BannerSize(970, 250, 250_000)
LEADERBOARD = BannerSize(728, 90, 150_000)
RECTANGLE = BannerSize(300, 250, 150_000)
SQUARE = BannerSize(1080, 1080, 150_000)

SIZES = (BILLBOARD, LEADERBOARD, RECTANGLE, SQUARE)
"""IAB New Ad Portfolio's fixed sizes (billboard, leaderboard, medium rectangle) and the social square."""
