"""The least-privilege IAM policy of the services."""

import json


def least_privilege_policy(bucket: str) -> str:
    """Return the IAM policy (JSON) that services need on an existing bucket.

    Nothing is ever deleted, and the bucket's own configuration is never read or written: creating the
    bucket additionally needs `s3:CreateBucket`, once. With `s3:ListBucket` a missing object is a 404, else a 403.
    """
    arn = f"arn:aws:s3:::{bucket}"
    statements = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [f"{arn}/*"]},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
