"""Which Faust and aiokafka this was made for, and what of them it replaces.

Both libraries are subclassed below their public surface, so a new release of either can change what an override
stands on. `@overrides_private` keeps, beside each override, the digest of the method that it replaces; a test compares them
with what is installed, and `check_versions` warns at the start of a worker that runs on something else.
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
    """One method of a library that is overridden or relied upon, as it was when the override was written."""

    target: str
    """`module:Class.method`."""
    digest: str
    by: str
    """What stands in for it: `module:Class.method`."""

    def installed_digest(self) -> str:
        """Return the digest of the method as it is installed now."""
        module, _, path = self.target.partition(":")
        return digest(reduce(getattr, path.split("."), import_module(module)))


PRIVATE_OVERRIDES: list[PrivateOverride] = []
"""Every `@overrides_private` of this package."""


def overrides_private(target: str, digest: str) -> Callable[[_F], _F]:
    """Declare that the decorated function stands in for `target` ("module:Class.method"), known by its digest."""

    def declare(override: _F) -> _F:
        PRIVATE_OVERRIDES.append(PrivateOverride(target, digest, f"{override.__module__}:{override.__qualname__}"))
        return override

    return declare


def digest(function: object) -> str:
    """Return 12 hex digits of SHA-256 over a function's source, without its indentation.

    Looks into properties and mode's service tasks, which are no functions themselves.
    """
    function = getattr(function, "fget", None) or getattr(function, "fun", None) or function
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))  # type: ignore[arg-type]  # any callable
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def check_versions() -> list[str]:
    """Warn about libraries that are not the tested ones; return what is wrong with them, for tests."""
    wrong = [
        f"{name} {installed} is installed; {tested} is what this was tested on"
        for name, tested in TESTED.items()
        if (installed := version(name)) != tested
    ]
    for each in wrong:
        _log.warning("%s: install the tested version, or run its tests before you trust it", each)
    return wrong
