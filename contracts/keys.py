"""The two hashes that name things: the user key and the banner key."""

import hashlib

from contracts.catalog import Cohort, Product
from contracts.codecs import canonical_json
from contracts.errors import ConfigurationError

MIN_SECRET_BYTES = 16


def user_key(user_id: str, secret: bytes) -> str:
    """Return the pseudonym under which a visitor is known outside streams: 32 hex digits.

    Keyed BLAKE2b-128 (RFC 7693): without the secret, an id cannot be found by hashing guesses.

    Raises:
        ConfigurationError: the secret has fewer than 16 or more than 64 bytes.
    """
    if not MIN_SECRET_BYTES <= len(secret) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise ConfigurationError(
            f"privacy.user_key_secret must have 16 to 64 bytes, has {len(secret)}; make one with `openssl rand -hex 32`"
        )
    return hashlib.blake2b(user_id.encode(), digest_size=16, key=secret).hexdigest()


def banner_key(product: Product, cohort: Cohort, *, locale: str, variant: str, creative_revision: str) -> str:
    """Return the name of the banner that these inputs make: 64 hex digits of SHA-256.

    Holds everything that shapes the picture and nothing that identifies a visitor, so that equal wishes share one
    banner. `creative_revision` names the generation of engine, models and templates: raising it repaints everything.
    """
    shaped_by = {
        "product_id": product.product_id,
        "product_rev": product.rev,
        "cohort_id": cohort.cohort_id,
        "cohort_rev": cohort.rev,
        "locale": locale,
        "variant": variant,
        "creative_revision": creative_revision,
    }
    return hashlib.sha256(canonical_json(shaped_by)).hexdigest()


def manifest_object_key(banner_key: str) -> str:
    """Return where a banner's manifest lies in the bucket."""
    return f"manifests/{banner_key}.json"


def description_object_key(description_key: str) -> str:
    """Return where the description of a product (subject, attributes, setting) lies in the bucket."""
    return f"descriptions/{description_key}.json"


def blob_object_key(sha256: str, extension: str) -> str:
    """Return where an immutable blob lies in the bucket."""
    return f"blobs/{sha256[:2]}/{sha256}.{extension}"
