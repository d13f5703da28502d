"""The topics: names, keys, cleanup policies, producers and content."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal

Cleanup = Literal["delete", "compact"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic of the table in docs/architecture.md."""

    name: str
    key: str
    cleanup: Cleanup
    written_by: str
    carries: str
    external: bool = False
    """Written by the shop: checked, and created only on request."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic under the name it has in this deployment."""

    clicks: Topic = Topic("clicks", "user id", "delete", "shop, edge", "views, clicks and carts", external=True)
    purchases: Topic = Topic("purchases", "user id", "delete", "shop, edge", "orders", external=True)
    products: Topic = Topic("catalog.products", "product id", "compact", "catalog load, shop", "Product")
    cohorts: Topic = Topic("catalog.cohorts", "cohort id", "compact", "catalog load", "Cohort")
    requests: Topic = Topic("banner.requests", "banner key", "delete", "streams", "BannerRequest")
    assignments: Topic = Topic("banner.assignments", "user key", "compact", "streams", "Assignment")
    ready: Topic = Topic("banner.ready", "banner key", "compact", "generator", "BannerReady")
    refusals: Topic = Topic("banner.refusals", "product id and locale", "compact", "generator", "Refusal")
    feedback: Topic = Topic("banner.feedback", "banner key", "delete", "edge", "Feedback")
    erasures: Topic = Topic("users.erasures", "user id", "delete", "shop", "Erasure, in every partition", external=True)
    dead_letters: Topic = Topic("bannerstream.dlq", "source key", "delete", "all", "the original bytes")

    def __iter__(self) -> Iterator[Topic]:
        """Yield every topic, in the order of the table."""
        return (getattr(self, each.name) for each in fields(self))

    def renamed(self, names: dict[str, str]) -> "Topics":
        """Return the table with other names; `names` maps a field's name to a topic name.

        Raises:
            KeyError: a key is not a field of this table.
            ValueError: two topics would have one name, so that each would read what the other carries.
        """
        known = {each.name for each in fields(self)}
        if unknown := names.keys() - known:
            raise KeyError(f"no topic is called {sorted(unknown)}; known are {sorted(known)}")
        renamed = replace(self, **{role: replace(getattr(self, role), name=name) for role, name in names.items()})
        called = [topic.name for topic in renamed]
        if shared := sorted({name for name in called if called.count(name) > 1}):
            raise ValueError(f"two topics cannot share a name: {', '.join(shared)}")
        return renamed
