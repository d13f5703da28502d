"""What can go wrong with the bucket and with the pictures that go into it.

BannerstreamError
├── StorageError
│   ├── StoreUnavailable        (also ServiceUnavailable) no answer, or 5xx, at every attempt
│   │   └── BrokenAnswer        (also SpoiltObject) cut short, or not from an S3 server
│   ├── SpoiltObject            an object's content is not what was stored
│   ├── BucketMissing           (also ConfigurationError)
│   ├── WrongCredentials        (also ConfigurationError)
│   ├── ClockSkewed             (also ConfigurationError)
│   ├── AccessRefused           (also ConfigurationError)
│   ├── ObjectMissing           one object is not there
│   └── RequestRefused          any other 4xx: a request that this store does not take
└── BrokenImage                 one picture cannot be used
"""

from bannerstream.contracts.errors import BannerstreamError, ConfigurationError, ServiceUnavailable


class StorageError(BannerstreamError):
    """Anything that the bucket refused or failed to do."""


class StoreUnavailable(StorageError, ServiceUnavailable):
    """The store did not answer, or answered 5xx, at every attempt.

    Operator action: check `storage.endpoint` and `storage.secure`, and that the store runs.
    Retryable: yes.
    """


class SpoiltObject(StorageError):
    """The store answered every attempt with bytes that are not the object's: another hash, empty, or undecodable.

    Operator action: `bannerstream storage verify` finds what else is spoilt; its `--repair` has banners made again, and
    `bannerstream catalog load --all-pictures` stores the catalogue's pictures again.
    Retryable: once the store is repaired.
    """


class BrokenAnswer(SpoiltObject, StoreUnavailable):
    """Every answer was cut short, or came from something that is not an S3 server, such as a proxy's page.

    Operator action: check `storage.endpoint`, and what stands between this machine and the store.
    Retryable: yes.
    """


class BucketMissing(StorageError, ConfigurationError):
    """The bucket does not exist.

    Operator action: create it (`bannerstream storage create`), or correct `storage.bucket`.
    Retryable: no.
    """


class WrongCredentials(StorageError, ConfigurationError):
    """The store does not know the access key, or the secret key or the region does not match it.

    Operator action: correct `storage.access_key`, `storage.secret_key` and `storage.region`.
    Retryable: no.
    """


class ClockSkewed(StorageError, ConfigurationError):
    """This machine's clock and the store's differ by more than S3's signatures allow (15 minutes).

    Operator action: set the clock, for example by turning NTP on.
    Retryable: once the clock is right.
    """


class AccessRefused(StorageError, ConfigurationError):
    """The credentials are right and may not do this.

    Operator action: grant the policy that `storage.policy.least_privilege_policy` returns.
    Retryable: no.
    """


class ObjectMissing(StorageError):
    """An object that must be there is not.

    Operator action: `bannerstream storage verify --repair` for banners; `bannerstream catalog load` for the catalogue's
    pictures.
    Retryable: no.
    """


class RequestRefused(StorageError):
    """The store refused a request for a reason that is none of the above.

    Operator action: the message carries the store's own code; check that `storage.endpoint` is an S3 API.
    Retryable: no.
    """


class BrokenImage(BannerstreamError):
    """One picture cannot be used: not an image, cut short, of a format that is not taken, or too large.

    Operator action: the message names the problem; export the picture again as PNG, JPEG or WebP.
    Retryable: no.
    """
