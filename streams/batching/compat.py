"""The Faust and aiokafka versions this was written for, and the private methods it overrides.

Both libraries are subclassed below their public API, so a new release of either can break an override.
`@overrides_private` records the digest of the overridden method beside each override. A test compares the digests with
the installed libraries, and `check_versions` warns when a worker starts on other versions.
"""

import hashlib
import inspect
import logging
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from importlib.metadata import version
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])
_log = logging.getLogger("bannerstream.streams.batching")

TESTED = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}
"""The versions that every test, fault and benchmark ran on."""


@dataclass(frozen=True, slots=True)
class PrivateOverride:
    """One private method that is overridden or relied upon, as it was when the override was written."""

    target: str
    """`module:Class.method`."""
    digest: str
    by: str
    """Our override: `module:Class.method`."""

    def installed_digest(self) -> str:
        """Return the digest of the method in the installed library."""
        module, _, path = self.target.partition(":")
        return digest(reduce(getattr, path.split("."), import_module(module)))


PRIVATE_OVERRIDES: list[PrivateOverride] = []
"""Every `@overrides_private` in this package."""


def overrides_private(target: str, digest: str) -> Callable[[_F], _F]:
    """Declare that the decorated function overrides `target` ("module:Class.method") with this digest."""

    def declare(override: _F) -> _F:
        PRIVATE_OVERRIDES.append(PrivateOverride(target, digest, f"{override.__module__}:{override.__qualname__}"))
        return override

    return declare


def digest(function: object) -> str:
    """Return 12 hex digits of SHA-256 over a function's dedented source.

    Unwraps properties and mode's service tasks.
    """
    function = getattr(function, "fget", None) or getattr(function, "fun", None) or function
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))  # type: ignore[arg-type]  # any callable
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def check_versions() -> list[str]:
    """Warn about untested library versions; return the warnings, for tests."""
    wrong = [
        f"{name} {installed} is installed; streams.batching was tested on {tested}"
        for name, tested in TESTED.items()
        if (installed := version(name)) != tested
    ]
    for problem in wrong:
        _log.warning("%s: install the tested version, or run the tests of streams.batching first", problem)
    return wrong
