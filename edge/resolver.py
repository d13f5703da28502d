"""Resolves a visitor's banner: their own, else their cohort's default, else the shop's. Returns encoded responses."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Literal, get_args

from msgspec import Struct

from bannerstream.contracts.catalog import Product, content_rev
from bannerstream.contracts.codecs import decode
from bannerstream.edge.banner_facts import Banner, facts_json, picture_url
from bannerstream.edge.default_banner import default_banner
from bannerstream.edge.visitor_table import BannerTable, VisitorTable
from bannerstream.settings import EdgeSettings

Kind = Literal["own", "cohort", "shop"]
"""`own`: the visitor's banner; `cohort`: the default of their cohort or of `edge.default_cohort`; `shop`: built in."""
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_CACHED_FACTS = 4096
"""Banners whose JSON is cached: about 10 MB. When full, the cache is cleared; popular banners are soon back."""


class ProductCard(Struct, frozen=True):
    """The title of a product and the link of its banners; its revision and language, which refusals name."""

    title: str
    link: str | None
    rev: str | None = None
    locale: str = "en"


def product_card(value: bytes) -> ProductCard:
    """Decode a product record to its card.

    Raises:
        MalformedRecord: the record is not a product.
    """
    product = decode(value, Product)
    # The hash that streams computes: a shop that writes the topic itself may leave `rev` out.
    return ProductCard(product.title, product.link, content_rev(product), product.locale)


@dataclass(frozen=True, slots=True)
class ResolvedBanner:
    """The banner to show. `epoch` 0: a default, not the visitor's own."""

    epoch: int
    banner: Banner
    facts: bytes
    """`BannerFacts` as a JSON object."""

    @property
    def kind(self) -> Kind:
        """The source of the banner."""
        return "own" if self.epoch else "cohort" if self.banner.key is not None else "shop"

    @property
    def event_id(self) -> str:
        """The id of the live stream's event: the epoch and, after a dot, what else distinguishes two states of it."""
        banner = self.banner
        if self.epoch:
            return f"{self.epoch}" if banner.revision == 1 else f"{self.epoch}.{banner.revision}"
        return "0" if banner.key is None else f"0.{banner.key[:12]}-{banner.revision}"

    def picture(self, size: str, cdn_base_url: str | None) -> str | None:
        """Return the URL of the picture of a size, or None if there is no such size."""
        base = None if self.banner.tier == "default" else cdn_base_url
        named = {f"{each.width}x{each.height}": each.name for each in self.banner.pictures}
        return picture_url(named[size], base) if size in named else None

    def public(self, user_key: str) -> bytes:
        """Return the body that a CDN may cache. It holds no secret beyond the user key in its path."""
        return b'{"epoch":%d,"pointer":"/v1/pointers/%b",%b' % (self.epoch, user_key.encode(), self.facts[1:])

    def private(self, user_key: str, feedback: str) -> bytes:
        """Return the body for the visitor alone, with the page's feedback token."""
        return b'{"epoch":%d,"pointer":"/v1/pointers/%b","feedback":"%b",%b' % (
            self.epoch,
            user_key.encode(),
            feedback.encode(),
            self.facts[1:],
        )

    def anonymous(self) -> bytes:
        """Return the body for a request without a token."""
        return b'{"epoch":0,"pointer":null,"feedback":null,%b' % self.facts[1:]


class BannerResolver:
    """Resolves banners from the tables. Never fails: the last resort is the shop's built-in banner."""

    def __init__(
        self,
        settings: EdgeSettings,
        banners: BannerTable,
        visitors: VisitorTable,
        products: Callable[[], Mapping[str, ProductCard]],
    ) -> None:
        self._settings = settings
        self._banners = banners
        self._visitors = visitors
        self._products = products
        self._facts: dict[int, tuple[Banner, bytes]] = {}
        default = default_banner()
        facts = facts_json(default, link=settings.default_link, alt=settings.default_alt, cdn_base_url=None)
        self._shop = ResolvedBanner(0, default, facts)

    def of_visitor(self, user_key: str) -> ResolvedBanner:
        """Return the banner to show to a visitor."""
        shown = self._visitors.shown(user_key)
        if shown is not None and (facts := self._facts_of(shown.number)) is not None:
            return ResolvedBanner(shown.epoch, *facts)
        return self.default(self._visitors.cohort(user_key))

    def default(self, cohort: str | None = None) -> ResolvedBanner:
        """Return the default banner: the cohort's latest, else that of `edge.default_cohort`, else the built-in one."""
        for name in (cohort, self._settings.default_cohort):
            number = None if name is None else self._banners.default_of(name)
            if number is not None and (facts := self._facts_of(number)) is not None:
                return ResolvedBanner(0, *facts)
        return self._shop

    def touches(self, user_key: str, numbers: Set[int], cohorts: Set[str | None]) -> bool:
        """Return whether a visitor sees one of these banners, or the default of one of these cohorts."""
        shown = self._visitors.shown(user_key)
        if shown is not None:
            return shown.number in numbers
        return not cohorts.isdisjoint((self._visitors.cohort(user_key), self._settings.default_cohort))

    def changed(self, number: int) -> None:
        """Drop the cached facts of a banner that has changed."""
        self._facts.pop(number, None)

    def changed_all(self) -> None:
        """Drop all cached facts, because the catalogue has changed."""
        self._facts.clear()

    def _facts_of(self, number: int) -> tuple[Banner, bytes] | None:
        known = self._facts.get(number)
        if known is None:
            banner = self._banners.banner(number)
            if banner is None:
                return None
            if len(self._facts) >= MAX_CACHED_FACTS:
                self._facts.clear()
            known = self._facts[number] = (banner, self._facts_json(banner))
        return known

    def _facts_json(self, banner: Banner) -> bytes:
        card = self._products().get(banner.product_id or "")
        title = "" if card is None else card.title
        return facts_json(
            banner,
            link=(card.link if card is not None else None) or self._settings.default_link,
            alt=_alt(banner.headline, title) or self._settings.default_alt,
            cdn_base_url=self._settings.cdn_base_url,
        )


def _alt(headline: str, title: str) -> str:
    """Return the alternative text: the headline, followed by the product's title unless the headline contains it."""
    if not headline or not title:
        return headline or title
    return headline if title.casefold() in headline.casefold() else f"{headline} – {title}"
