"""S3 through the `minio` client: blobs, manifests, descriptions, catalogue images.

`S3BannerStore` is the bucket. `storage.image_ingest` prepares a shop's picture to be laid over a scene. `storage.fakes`
holds the store that tests use. Imports settings and contracts; nothing else of ours.
"""

from bannerstream.storage.metrics import StorageMetrics
from bannerstream.storage.policy import least_privilege_policy
from bannerstream.storage.store import S3BannerStore

__all__ = ["S3BannerStore", "StorageMetrics", "least_privilege_policy"]
