"""Keys of visitors and banners, and the record values that the purger reads."""

from bannerstream.contracts.codecs import encode
from tests.support import cdn_messages as messages

ANNA, BEN = "a" * 32, "b" * 32

MUG, LAMP = "0" * 64, "1" * 64


def assignment(user: str, epoch: int, banner: str) -> bytes:
    return encode(messages.assignment(user, epoch, banner))


def announcement(banner: str, revision: int = 1) -> bytes:
    return encode(messages.announcement(banner, revision))
