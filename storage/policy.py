"""What the credentials must be allowed to do, and nothing more."""

import json


def least_privilege_policy(bucket: str) -> str:
    """Return the IAM policy (JSON) that services need on an existing bucket.

    Nothing is ever deleted, and the bucket's own configuration is never read or written: who creates the bucket needs
    `s3:CreateBucket` besides, once. `s3:ListBucket` also makes a missing object answer 404; without it, S3 says 403.
    """
    arn = f"arn:aws:s3:::{bucket}"
    statements = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [f"{arn}/*"]},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
