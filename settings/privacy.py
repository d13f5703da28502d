"""The table `[privacy]`."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from bannerstream.contracts.keys import MIN_SECRET_BYTES
from bannerstream.settings.groups import Group
from bannerstream.settings.trial_secrets import TRIAL_SECRET


class PrivacySettings(Group):
    """Pseudonyms, which keep a visitor's id inside streams."""

    user_key_secret: SecretStr = Field(
        SecretStr(TRIAL_SECRET),
        description="Key of the user-id hash, 16 to 64 bytes. A new key makes every visitor unknown.",
    )

    @model_validator(mode="after")
    def _secret_is_long_enough(self) -> Self:
        length = len(self.user_key_secret.get_secret_value().encode())
        if not MIN_SECRET_BYTES <= length <= 64:
            raise ValueError("privacy.user_key_secret must have 16 to 64 bytes; make one with `openssl rand -hex 32`")
        return self
