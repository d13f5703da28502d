"""Writes the assignments and requests of a batch: bytes from parts, without an object for each."""

from collections.abc import Iterable
from typing import TypeAlias

from bannerstream.contracts.codecs import canonical_json
from bannerstream.contracts.messages import BannerRequest
from bannerstream.streams.affinity import Catalogue
from bannerstream.streams.outcome import BatchOutcome, CausedRequest

Banner: TypeAlias = tuple[str, str, str]
"""Product, cohort, variant."""
Announcement: TypeAlias = tuple[bytes, int, Banner, int, int]
"""User key (32 hex digits), epoch, banner, when it was decided, and when the broker received the event that led to it;
times in epoch milliseconds."""


class Announcer:
    """Announces decisions under one snapshot of the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._parts: dict[Banner, tuple[str, bytes, bytes]] = {}

    def announce(self, announcements: Iterable[Announcement], outcome: BatchOutcome, now_ms: int) -> None:
        """Add an assignment for each of these to the outcome, and a request for each banner that it does not have.

        `now_ms` dates the requests.
        """
        parts, assignments, requests = self._parts, outcome.assignments, outcome.requests
        for key, epoch, banner, decided_at, appended_at in announcements:
            found = parts.get(banner)
            if found is None:
                found = parts[banner] = self._parts_of(banner)
            banner_key, middle, end = found
            value = b'{"user_key":"%b","epoch":%d%b%d%b' % (key, epoch, middle, decided_at, end)
            assignments[key] = value, epoch, decided_at
            if banner_key not in requests:
                request = self.request(banner_key, banner, now_ms, max(0, appended_at))
                requests[banner_key] = CausedRequest(request, f"{key.decode()}:{epoch}")

    def _parts_of(self, banner: Banner) -> tuple[str, bytes, bytes]:
        """Return the banner's key, and what stands between epoch and time, and after the time, in its assignments."""
        product_id, cohort_id, variant = banner
        banner_key = self.catalogue.banner_key(product_id, cohort_id, variant)
        middle = b',"banner_key":%b,"product_id":%b,"cohort_id":%b,"decided_at":' % (
            canonical_json(banner_key),
            canonical_json(product_id),
            canonical_json(cohort_id),
        )
        return banner_key, middle, b',"variant":%b}' % canonical_json(variant)

    def request(self, banner_key: str, banner: Banner, now_ms: int, appended_at: int) -> BannerRequest:
        """Return the request of the banner that has this key; times in epoch milliseconds."""
        product_id, cohort_id, variant = banner
        product = self.catalogue.products[product_id]
        return BannerRequest(
            banner_key=banner_key,
            product=product,
            cohort=self.catalogue.cohorts[cohort_id],
            locale=product.locale,
            variant=variant,
            creative_revision=self.catalogue.creative_revision,
            requested_at=now_ms,
            event_appended_at=appended_at,
            favourites=self.catalogue.favourites(cohort_id),
        )


class Announcers:
    """Keeps the announcer of the current snapshot: a banner's parts are written once."""

    def __init__(self) -> None:
        self._announcer: Announcer | None = None

    def of(self, catalogue: Catalogue) -> Announcer:
        """Return the announcer of this snapshot."""
        if self._announcer is None or self._announcer.catalogue is not catalogue:
            self._announcer = Announcer(catalogue)
        return self._announcer
