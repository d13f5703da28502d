import json

from bannerstream.storage import least_privilege_policy


def test_the_policy_grants_three_actions_on_one_bucket_and_no_more() -> None:
    statements = json.loads(least_privilege_policy("shop-banners"))["Statement"]
    granted = {(action, resource) for each in statements for action in each["Action"] for resource in each["Resource"]}
    assert granted == {
        ("s3:ListBucket", "arn:aws:s3:::shop-banners"),
        ("s3:GetObject", "arn:aws:s3:::shop-banners/*"),
        ("s3:PutObject", "arn:aws:s3:::shop-banners/*"),
    }
    assert {each["Effect"] for each in statements} == {"Allow"}


def test_only_who_sweeps_may_remove() -> None:
    swept = json.loads(least_privilege_policy("b", sweeping=True))["Statement"]
    plain = json.loads(least_privilege_policy("b"))["Statement"]
    added = [
        set(with_sweep["Action"]) - set(without["Action"]) for with_sweep, without in zip(swept, plain, strict=True)
    ]
    assert added == [{"s3:ListBucketMultipartUploads"}, {"s3:DeleteObject", "s3:AbortMultipartUpload"}]
    assert [each["Resource"] for each in swept] == [each["Resource"] for each in plain]
