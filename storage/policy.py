"""The least-privilege IAM policy of the services."""

import json


def least_privilege_policy(bucket: str, *, sweeping: bool = False) -> str:
    """Return the IAM policy (JSON) that services need on an existing bucket.

    Services delete nothing, and never read or write the bucket's own configuration: creating the bucket additionally
    needs `s3:CreateBucket`, once. `sweeping` adds the rights of `bannerstream storage sweep`, for an operator's key.
    With `s3:ListBucket` a missing object is a 404, else a 403.
    """
    arn = f"arn:aws:s3:::{bucket}"
    of_bucket, of_objects = ["s3:ListBucket"], ["s3:GetObject", "s3:PutObject"]
    if sweeping:
        of_bucket.append("s3:ListBucketMultipartUploads")
        of_objects += ["s3:DeleteObject", "s3:AbortMultipartUpload"]
    statements = [
        {"Effect": "Allow", "Action": of_bucket, "Resource": [arn]},
        {"Effect": "Allow", "Action": of_objects, "Resource": [f"{arn}/*"]},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
