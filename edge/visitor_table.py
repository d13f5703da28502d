"""Which banner each visitor sees: a million visitors in about 160 MB. Pure: no I/O, no clock.

A visitor sees an assigned banner once it is ready, and the previous one until then. A newer epoch is never replaced by
an older one; only a deletion removes it. A product that can have no banner (`BannerTable.refuse`) leaves its visitors
without a banner of their own until streams decides for another: they see a default.
"""

from array import array
from collections.abc import Iterator, Set
from dataclasses import dataclass

from bannerstream.contracts.messages import Assignment, BannerReady
from bannerstream.edge.banner_facts import Banner, banner_of, pack, unpack

NO_BANNER = 0xFFFF_FFFF
"""The banner number that stands for no banner."""

_DEFAULTS = 8
"""Banners remembered per cohort: where the last one is withheld or withdrawn, an earlier one is the default."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one visitor sees. `number` identifies the banner within the table."""

    epoch: int
    number: int


class BannerTable:
    """Numbers banners by key, and holds the packed content of those that are ready."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._packed: list[bytes | None] = []
        self._product = array("I")
        self._product_numbers: dict[str, int] = {}
        self._of_cohort: dict[str, list[int]] = {}
        self._refused: Set[int] = frozenset()
        self._withheld: Set[int] = frozenset()
        self.ready_count = 0

    def number(self, banner_key: str, product_id: str) -> int:
        """Return the number of a banner, ready or not; a new banner gets the next number."""
        key = bytes.fromhex(banner_key)
        number = self._numbers.setdefault(key, len(self._packed))
        if number == len(self._packed):
            self._packed.append(None)
            self._product.append(self._product_number(product_id))
        return number

    def refuse(self, products: Set[str], withheld: Set[str]) -> bool:
        """Set the products that can have no banner, and those whose ready banners must not be shown either.

        Returns whether that differs from before.
        """
        before = self._refused, self._withheld
        self._withheld = frozenset(map(self._product_number, withheld))
        self._refused = self._withheld.union(map(self._product_number, products))
        return before != (self._refused, self._withheld)

    def is_announced(self, number: int) -> bool:
        """Return whether a banner is ready, be it withheld or not."""
        return number != NO_BANNER and self._packed[number] is not None

    def is_ready(self, number: int) -> bool:
        """Return whether a banner can be shown."""
        return self.is_announced(number) and self._product[number] not in self._withheld

    def is_refused(self, number: int) -> bool:
        """Return whether a banner is not there and will not come, or must not be shown."""
        if not self._refused or number == NO_BANNER:
            return False
        return self._product[number] in self._refused and not self.is_ready(number)

    def banner(self, number: int) -> Banner | None:
        """Return a banner, or None if it is not ready."""
        packed = None if number == NO_BANNER else self._packed[number]
        return None if packed is None else unpack(packed)

    def default_of(self, cohort: str) -> int | None:
        """Return the number of a cohort's banner that was announced last and can be shown, or None."""
        return next(filter(self.is_ready, reversed(self._of_cohort.get(cohort, ()))), None)

    def announce(self, ready: BannerReady) -> tuple[int, bool]:
        """Apply a ready event; return the banner's number, and whether its content changed.

        An older revision does not replace a newer one.

        Raises:
            MalformedRecord: see `edge.banner_facts.banner_of`.
        """
        banner = banner_of(ready)
        number = self.number(ready.banner_key, ready.product_id)
        known = self.banner(number)
        if known is not None and banner.revision < known.revision:
            return number, False
        latest = self._of_cohort.setdefault(ready.cohort_id, [])
        if number in latest:
            latest.remove(number)
        latest.append(number)
        del latest[:-_DEFAULTS]
        if known == banner:
            return number, False
        self.ready_count += known is None
        self._packed[number] = pack(banner)
        return number, True

    def withdraw(self, banner_key: str) -> tuple[int, str | None] | None:
        """Apply a withdrawal; return the banner's number and cohort, or None if it was not ready."""
        number = self._numbers.get(bytes.fromhex(banner_key), NO_BANNER)
        banner = self.banner(number)
        if banner is None:
            return None
        self._packed[number] = None
        self.ready_count -= 1
        return number, banner.cohort

    def _product_number(self, product_id: str) -> int:
        return self._product_numbers.setdefault(product_id, len(self._product_numbers))


class VisitorTable:
    """Holds the last assigned and the shown banner of each visitor, by user key.

    Columns of numbers beside one dict: a million visitors take 160 MB (`python -m bench edge --case memory`).
    A user key is kept as the 128-bit number that its hex digits denote.
    """

    def __init__(self, banners: BannerTable) -> None:
        self._banners = banners
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._epoch = array("Q")
        self._banner = array("I")
        self._cohort = array("I")
        self._shown_epoch = array("Q")
        self._shown = array("I")
        self._cohort_names: list[str] = []
        self._cohort_numbers: dict[str, int] = {}
        self._waiting: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, user_key: str) -> bool:
        return int(user_key, 16) in self._slots

    def shown(self, user_key: str) -> Shown | None:
        """Return what a visitor sees, or None if no assigned banner is ready or the last one cannot be shown."""
        slot = self._slots.get(int(user_key, 16))
        if slot is None or self._banners.is_refused(self._banner[slot]):
            return None
        number = self._shown[slot]
        return Shown(self._shown_epoch[slot], number) if self._banners.is_ready(number) else None

    def cohort(self, user_key: str) -> str | None:
        """Return the cohort of a visitor's last assignment, ready or not."""
        slot = self._slots.get(int(user_key, 16))
        return None if slot is None else self._cohort_names[self._cohort[slot]]

    def assign(self, user_key: str, assignment: Assignment) -> bool:
        """Apply an assignment; return whether it may change what the visitor sees.

        It does if its banner is ready. If not, and the visitor has no other banner, the default of the new cohort is
        shown meanwhile; so it is where the banner is refused.
        """
        key = int(user_key, 16)
        before = self.cohort(user_key)
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = self._new_slot()
        elif assignment.epoch <= self._epoch[slot]:
            return False
        was_refused = self._banners.is_refused(self._banner[slot])
        number = self._banners.number(assignment.banner_key, assignment.product_id)
        self._stop_waiting(key, slot)
        self._epoch[slot] = assignment.epoch
        self._banner[slot] = number
        self._cohort[slot] = self._cohort_number(assignment.cohort_id)
        if self._banners.is_announced(number):  # one that is withheld is shown as soon as it no longer is
            self._show(slot)
            return True
        self._waiting.setdefault(number, set()).add(key)
        if was_refused or self._banners.is_refused(number):
            return True
        return not self._banners.is_ready(self._shown[slot]) and assignment.cohort_id != before

    def settle(self, number: int) -> Iterator[str]:
        """Show a banner that became ready to all visitors who wait for it; yield their user keys."""
        for key in self._waiting.pop(number, ()):
            self._show(self._slots[key])
            yield f"{key:032x}"

    def erase(self, user_key: str) -> bool:
        """Remove a visitor; return whether there was one."""
        key = int(user_key, 16)
        slot = self._slots.pop(key, None)
        if slot is None:
            return False
        self._stop_waiting(key, slot)
        self._free.append(slot)
        return True

    def _show(self, slot: int) -> None:
        self._shown_epoch[slot] = self._epoch[slot]
        self._shown[slot] = self._banner[slot]

    def _stop_waiting(self, key: int, slot: int) -> None:
        number = self._banner[slot]
        if (waiting := self._waiting.get(number)) is not None:
            waiting.discard(key)
            if not waiting:
                del self._waiting[number]

    def _new_slot(self) -> int:
        if self._free:
            slot = self._free.pop()
            self._epoch[slot] = self._shown_epoch[slot] = 0
            self._banner[slot] = self._shown[slot] = NO_BANNER
            return slot
        for column in (self._epoch, self._shown_epoch, self._cohort):
            column.append(0)
        for column in (self._banner, self._shown):
            column.append(NO_BANNER)
        return len(self._epoch) - 1

    def _cohort_number(self, cohort_id: str) -> int:
        number = self._cohort_numbers.setdefault(cohort_id, len(self._cohort_names))
        if number == len(self._cohort_names):
            self._cohort_names.append(cohort_id)
        return number
