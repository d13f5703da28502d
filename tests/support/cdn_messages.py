"""Assignments and ready events for the purger's tests."""

from bannerstream.contracts.messages import Assignment, BannerReady, Rendition


def assignment(user: str, epoch: int, banner: str) -> Assignment:
    """Return the assignment of a banner to a visitor."""
    return Assignment(
        user_key=user, epoch=epoch, banner_key=banner, product_id="mug", cohort_id="cosy", decided_at=1_000
    )


def announcement(banner: str, revision: int = 1) -> BannerReady:
    """Return the ready event of a banner; its picture is named by the banner's key."""
    picture = Rendition(
        size="970x250",
        blob_key=f"blobs/{banner[:2]}/{banner}.webp",
        width=970,
        height=250,
        bytes=9,
        sha256=banner,
        media_type="image/webp",
    )
    return BannerReady(
        banner_key=banner,
        manifest_key=f"manifests/{banner}.json",
        product_id="mug",
        cohort_id="cosy",
        renditions=(picture,),
        engine="studio",
        revision=revision,
        ready_at=1_000,
        event_appended_at=1_000,
    )
