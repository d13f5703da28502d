"""The table `[storage]`."""

from pydantic import Field, SecretStr

from bannerstream.settings.groups import Group, Seconds
from bannerstream.settings.trial_secrets import TRIAL_SECRET


class StorageSettings(Group):
    """The S3 bucket that holds blobs, manifests and catalogue images."""

    endpoint: str = Field("127.0.0.1:9000", description="`host:port` without a scheme.")
    secure: bool = Field(False, description="TLS to the store; true in production.")
    access_key: str = Field("bannerstream", description="Access key id.")
    secret_key: SecretStr = Field(SecretStr(TRIAL_SECRET), description="Secret access key.")
    region: str = Field("us-east-1", description="The bucket's region.")
    bucket: str = Field("banners", min_length=3, max_length=63, description="Bucket name.")
    attempts: int = Field(5, ge=1, le=20, description="Attempts per request before it fails.")
    timeout_s: Seconds = Field(10.0, description="Connect and read timeout of one attempt.")
