"""Declarations of code outside `streams.batching` that overrides or relies on private internals of libraries.

`streams.batching.compat` has a declaration of its own, because it imports nothing of this product and the layers below
may not import it. tests/unit/service/test_compat.py compares every digest with the installed library, with the digest
function of `streams.batching.compat`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class PrivateOverride:
    """One private class or function of a library, with its digest when the code that depends on it was written."""

    target: str
    """`module:Class.method`."""
    digest: str
    by: str
    """The code that overrides or relies on it, `module:Class.method`."""


PRIVATE_OVERRIDES: list[PrivateOverride] = []
"""The declarations of all imported modules."""


def overrides_private(target: str, digest: str) -> Callable[[_F], _F]:
    """Declare that the decorated function or class overrides `target`, or relies on its implementation."""

    def declare(override: _F) -> _F:
        PRIVATE_OVERRIDES.append(PrivateOverride(target, digest, f"{override.__module__}:{override.__qualname__}"))
        return override

    return declare
