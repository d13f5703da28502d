"""S3 through the `minio` client: blobs, manifests, descriptions, catalogue images.

Imports settings and contracts; nothing else of ours.
"""
