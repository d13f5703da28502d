"""Keeps descriptions: a product is described once, however many cohorts, batches and threads need it."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

from bannerstream.contracts.catalog import Product, content_rev
from bannerstream.contracts.codecs import canonical_json
from bannerstream.contracts.manifest import Description
from bannerstream.generator.pipeline.ports import BannerStore, Describer


class KeptDescriber:
    """A describer that first looks in the store and among the descriptions that other threads are making.

    The key holds product rev, model and prompt (both in the describer's revision), so a change of any makes a new one.
    """

    def __init__(self, describer: Describer, store: BannerStore, executor: Executor) -> None:
        self._describer = describer
        self._store = store
        self._executor = executor
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Description]] = {}

    @property
    def revision(self) -> str:
        """The describer's revision."""
        return self._describer.revision

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order.

        Raises:
            ServiceUnavailable, ConfigurationError: the store does not answer, or denies access.
            Exception: whatever the describer raises; nothing is kept, and every thread that waits for it raises it too.
        """
        keys = [description_key(product.rev or content_rev(product), self.revision) for product in products]
        by_key = dict(zip(keys, products, strict=True))
        with self._lock:
            ours = {key: Future[Description]() for key in by_key if key not in self._under_way}
            shared = {key: self._under_way[key] for key in by_key if key not in ours}
            self._under_way |= ours
        try:
            self._fulfil({key: by_key[key] for key in ours}, ours)
        except BaseException as error:
            for future in ours.values():
                if not future.done():
                    future.set_exception(error)
            raise
        finally:
            with self._lock:
                for key in ours:
                    del self._under_way[key]
        futures = ours | shared
        return [futures[key].result() for key in keys]

    def _fulfil(self, products: dict[str, Product], futures: dict[str, Future[Description]]) -> None:
        """Look up kept descriptions, describe the other products in one batch, keep the result."""
        kept = dict(zip(products, self._executor.map(self._store.description, products), strict=True))
        new = [key for key, found in kept.items() if found is None]
        described = self._describer.describe([products[key] for key in new]) if new else []
        if len(described) != len(new):
            raise ValueError(f"{len(described)} descriptions of {len(new)} products")
        fresh = dict(zip(new, described, strict=True))
        put: Callable[[str, Description], None] = self._store.put_description
        list(self._executor.map(put, fresh.keys(), fresh.values()))
        for key, future in futures.items():
            future.set_result(kept[key] or fresh[key])


def description_key(product_rev: str, describer_revision: str) -> str:
    """Return the key of a kept description, one per product revision and describer."""
    shaped_by = {"product_rev": product_rev, "describer": describer_revision}
    return hashlib.sha256(canonical_json(shaped_by)).hexdigest()
