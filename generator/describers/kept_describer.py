"""Descriptions that are kept: a product is described once, whatever number of cohorts, batches and threads ask."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

from bannerstream.contracts.catalog import Product, content_rev
from bannerstream.contracts.codecs import canonical_json
from bannerstream.contracts.manifest import Description
from bannerstream.generator.pipeline.ports import BannerStore, Describer


class KeptDescriber:
    """A describer that looks before it describes: in the store, and among what others are just describing.

    Kept under product rev, model and prompt (both in the describer's revision), so that a change of any describes anew.
    """

    def __init__(self, describer: Describer, store: BannerStore, executor: Executor) -> None:
        self._describer = describer
        self._store = store
        self._executor = executor
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Description]] = {}

    @property
    def revision(self) -> str:
        """Return the describer's."""
        return self._describer.revision

    def describe(self, products: Sequence[Product]) -> list[Description]:
        """Return one description per product, in order.

        Raises:
            ServiceUnavailable, ConfigurationError: the store does not answer, or refuses us.
            Exception: whatever the describer raises; nothing is kept then, and all who shared the try are told.
        """
        keys = [description_key(each.rev or content_rev(each), self.revision) for each in products]
        by_key = dict(zip(keys, products, strict=True))
        with self._lock:
            ours = {key: Future[Description]() for key in by_key if key not in self._under_way}
            shared = {key: self._under_way[key] for key in by_key if key not in ours}
            self._under_way |= ours
        try:
            self._fulfil({key: by_key[key] for key in ours}, ours)
        except BaseException as error:
            for each in ours.values():
                if not each.done():
                    each.set_exception(error)
            raise
        finally:
            with self._lock:
                for key in ours:
                    del self._under_way[key]
        futures = ours | shared
        return [futures[key].result() for key in keys]

    def _fulfil(self, wanted: dict[str, Product], futures: dict[str, Future[Description]]) -> None:
        """Look up what is kept, describe the rest together, keep it."""
        kept = dict(zip(wanted, self._executor.map(self._store.description, wanted), strict=True))
        new = [key for key, found in kept.items() if found is None]
        described = self._describer.describe([wanted[key] for key in new]) if new else []
        if len(described) != len(new):
            raise ValueError(f"{len(described)} descriptions of {len(new)} products")
        fresh = dict(zip(new, described, strict=True))
        put: Callable[[str, Description], None] = self._store.put_description
        list(self._executor.map(put, fresh.keys(), fresh.values()))
        for key, future in futures.items():
            future.set_result(kept[key] or fresh[key])


def description_key(product_rev: str, describer_revision: str) -> str:
    """Return the name under which a description is kept: a product is described once per describer."""
    shaped_by = {"product_rev": product_rev, "describer": describer_revision}
    return hashlib.sha256(canonical_json(shaped_by)).hexdigest()
