"""User keys, banner keys and object names."""

import hashlib
from binascii import hexlify
from collections.abc import Iterable, Sequence

from bannerstream.contracts.catalog import Cohort, Favourite, Product
from bannerstream.contracts.codecs import canonical_json
from bannerstream.contracts.errors import ConfigurationError

MIN_SECRET_BYTES = 16

REMEMBERED_USERS = 50_000
"""User keys that `UserKeys` caches: about 12 MB, enough for all visitors who return within seconds."""


def user_key(user_id: str, secret: bytes) -> str:
    """Return the pseudonym under which a visitor is known outside streams: 32 hex digits.

    Keyed BLAKE2b-128 (RFC 7693): without the secret, an id cannot be found by hashing guesses.

    Raises:
        ConfigurationError: the secret has fewer than 16 or more than 64 bytes.
    """
    return UserKeys(secret)[user_id].decode()


class UserKeys(dict[str, bytes]):
    """A cache of the user keys of `user_key` by user id, as ASCII.

    A dict, so that a hit runs no Python. Clears itself when full: frequent keys soon return, and a hit needs no
    bookkeeping.

    Raises:
        ConfigurationError: the secret has fewer than 16 or more than 64 bytes.
    """

    def __init__(self, secret: bytes, remembered: int = REMEMBERED_USERS) -> None:
        super().__init__()
        if not MIN_SECRET_BYTES <= len(secret) <= hashlib.blake2b.MAX_KEY_SIZE:
            raise ConfigurationError(
                f"privacy.user_key_secret must have 16 to 64 bytes, has {len(secret)}; make one with "
                "`openssl rand -hex 32`"
            )
        self._keyed = hashlib.blake2b(digest_size=16, key=secret)
        self._remembered = remembered

    def __missing__(self, user_id: str) -> bytes:
        hasher = self._keyed.copy()
        hasher.update(user_id.encode())
        if len(self) >= self._remembered:
            self.clear()
        key = self[user_id] = hexlify(hasher.digest())
        return key

    def digests(self, user_ids: Iterable[str]) -> bytes:
        """Return the user keys of these ids as 16 bytes each, joined. Neither reads nor fills the cache."""
        keyed, digests = self._keyed, []
        for user_id in user_ids:
            hasher = keyed.copy()
            hasher.update(user_id.encode())
            digests.append(hasher.digest())
        return b"".join(digests)


def banner_key(
    product: Product,
    cohort: Cohort,
    *,
    locale: str,
    variant: str,
    creative_revision: str,
    favourites: Sequence[Favourite] = (),
) -> str:
    """Return the key of the banner that these inputs produce: 64 hex digits of SHA-256.

    Covers everything that shapes the picture and nothing that identifies a visitor, so that equal requests share one
    banner. `creative_revision` is the generation of engine, models and templates: raising it repaints everything.
    Requests without `favourites` keep the keys from before favourites existed.
    """
    shaped_by: dict[str, object] = {
        "product_id": product.product_id,
        "product_rev": product.rev,
        "cohort_id": cohort.cohort_id,
        "cohort_rev": cohort.rev,
        "locale": locale,
        "variant": variant,
        "creative_revision": creative_revision,
    }
    if favourites:
        shaped_by["favourites"] = list(favourites)
    return hashlib.sha256(canonical_json(shaped_by)).hexdigest()


def refusal_key(product_id: str, locale: str) -> str:
    """Return the key of a refusal: product and locale, which holds no slash; the locale `*` stands for all."""
    return f"{product_id}/{locale}"


def manifest_object_key(banner_key: str) -> str:
    """Return the object key of a banner's manifest."""
    return f"manifests/{banner_key}.json"


def description_object_key(description_key: str) -> str:
    """Return the object key of a product's description (subject, attributes, setting)."""
    return f"descriptions/{description_key}.json"


def blob_object_key(sha256: str, extension: str) -> str:
    """Return the object key of an immutable blob."""
    return f"blobs/{sha256[:2]}/{sha256}.{extension}"
