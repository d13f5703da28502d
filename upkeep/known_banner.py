"""One banner as it is stored and as it is announced: what is known of it when a part is missing."""

from dataclasses import dataclass

from bannerstream.contracts.manifest import Manifest
from bannerstream.contracts.messages import BannerReady, Rendition
from bannerstream.upkeep.findings import Finding, Kind


@dataclass(frozen=True, slots=True)
class KnownBanner:
    """A banner, of which manifest or ready event may be missing."""

    key: str
    manifest: Manifest | None
    ready: BannerReady | None

    def renditions(self) -> list[Rendition]:
        """Return the pictures that pages may load: an announced preview's, too, until its banner is announced."""
        named = [*(self.manifest.renditions if self.manifest else ()), *(self.ready.renditions if self.ready else ())]
        return list({rendition.blob_key: rendition for rendition in named}.values())

    def finding(self, kind: Kind, key: str, reason: str) -> Finding:
        """Return what is wrong, with all that is known of the banner that has to be made again."""
        known = self.manifest or self.ready
        return Finding(
            kind=kind,
            key=key,
            banner_key=self.key,
            product_id=known.product_id if known else None,
            revision=max(source.revision if source else 1 for source in (self.manifest, self.ready)),
            variant=known.variant if known else None,
            creative_revision=self.manifest.creative_revision if self.manifest else None,
            reason=reason,
        )
