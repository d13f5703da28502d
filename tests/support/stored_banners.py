"""Banners and pictures in a bucket, for tests of the bucket's maintenance."""

from collections.abc import Sequence

from bannerstream.contracts.catalog import Product, with_rev
from bannerstream.contracts.manifest import Area, BannerCopy, Description, Manifest, Provenance
from bannerstream.contracts.messages import BannerReady, Rendition
from bannerstream.storage import S3BannerStore
from bannerstream.storage.fakes import MemoryBannerStore

MUG = with_rev(Product(product_id="mug", title="Mug", category="kitchen", cohorts={"cosy": 1.0}))


def store_banner(
    store: MemoryBannerStore | S3BannerStore,
    banner_key: str,
    contents: Sequence[bytes] = (b"wide", b"square"),
    *,
    product: Product = MUG,
    revision: int = 1,
    shown: bool = True,
) -> Manifest:
    """Store blobs with these contents, each with a different banner size, and their manifest."""
    sizes = ("300x250", "1080x1080", "728x90")[: len(contents)]
    renditions = tuple(
        Rendition(
            size=size,
            blob_key=(key := store.put_blob(content, "image/webp")),
            width=300,
            height=250,
            bytes=max(1, len(content)),
            sha256=key.rpartition("/")[2].removesuffix(".webp"),
            media_type="image/webp",
        )
        for size, content in zip(sizes, contents, strict=True)
    )
    manifest = Manifest(
        banner_key=banner_key,
        revision=revision,
        product_id=product.product_id,
        product_rev=product.rev or "",
        cohort_id="cosy",
        cohort_rev="1" * 16,
        locale="en",
        variant="a",
        creative_revision="1",
        description=Description(subject="mug", attributes=(), setting="a table", describer="lexicon@1"),
        words=BannerCopy(headline="A mug", line="", call_to_action="Look"),
        provenance=Provenance(painter="studio@1", engine="studio"),
        seed=7,
        templates=dict.fromkeys(sizes, "split"),
        gates=(),
        renditions=renditions,
        stage_ms={},
        created_at=0,
        products={size: Area(0, 0, 9, 9) for size in sizes} if shown else {},
    )
    store.put_manifest(manifest)
    return manifest


def ready_of(manifest: Manifest) -> BannerReady:
    """Return the ready event that announces a banner."""
    return BannerReady(
        banner_key=manifest.banner_key,
        manifest_key=f"manifests/{manifest.banner_key}.json",
        product_id=manifest.product_id,
        cohort_id=manifest.cohort_id,
        renditions=manifest.renditions,
        engine="studio",
        revision=manifest.revision,
        ready_at=0,
        event_appended_at=0,
    )
