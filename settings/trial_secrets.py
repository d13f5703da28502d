"""Built-in secrets for trying out; `environment = "production"` refuses them."""

TRIAL_SECRET = "for-trying-out-only-change-me"  # noqa: S105  (refused in production)
TRIAL_EDGE_SECRET = "for-trying-out-only-change-me-before-production"  # noqa: S105  (refused in production; 32 bytes)
