"""Settings that production accepts; a test makes one of them invalid."""

from typing import Any

SECRET = "0123456789abcdef" * 4

ACCEPTED: dict[str, Any] = {
    "environment": "production",
    "kafka": {"security_protocol": "SSL", "replication_factor": 3},
    "storage": {"secure": True, "secret_key": SECRET},
    "privacy": {"user_key_secret": SECRET},
    "edge": {
        "token_keys": {"new": SECRET},
        "token_kid": "new",
        "feedback_secret": SECRET,
        "cors_origins": ["https://shop.example"],
        "trusted_proxies": ["10.0.0.0/8"],
    },
}


def accepted(**tables: dict[str, Any]) -> dict[str, Any]:
    """Return settings that production accepts, with these changes by table."""
    return ACCEPTED | {name: {**ACCEPTED.get(name, {}), **changes} for name, changes in tables.items()}
