"""Declarations of what overrides or relies on private internals of libraries, outside of `streams.batching`.

`streams.batching.compat` declares its own: it imports nothing of this product, and the layers below it may not import
it. The declaration is all that exists twice. tests/unit/service/test_compat.py compares every digest with the installed
library, by the digest function of `streams.batching.compat`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class PrivateOverride:
    """One private class or function of a library, as it was when the code that stands on it was written."""

    target: str
    """`module:Class.method`."""
    digest: str
    by: str
    """The code that overrides it or relies on it, `module:Class.method`."""


PRIVATE_OVERRIDES: list[PrivateOverride] = []
"""Every declaration of the modules that were imported."""


def overrides_private(target: str, digest: str) -> Callable[[_F], _F]:
    """Declare that the decorated function or class overrides `target`, or relies on how it works inside."""

    def declare(override: _F) -> _F:
        PRIVATE_OVERRIDES.append(PrivateOverride(target, digest, f"{override.__module__}:{override.__qualname__}"))
        return override

    return declare
