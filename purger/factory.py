"""Creates the purger of the configured CDN."""

from collections.abc import Callable

from minio.credentials.providers import ChainedProvider, EnvAWSProvider, IamAwsProvider, Provider, StaticProvider
from pydantic import SecretStr

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.purger import cloudflare, cloudfront, fastly
from bannerstream.purger.cloudflare import Cloudflare
from bannerstream.purger.cloudfront import Budget, CloudFront
from bannerstream.purger.fastly import Fastly
from bannerstream.purger.nginx import Nginx
from bannerstream.purger.ports import Purger
from bannerstream.purger.sigv4 import AwsKeys
from bannerstream.purger.varnish import Varnish
from bannerstream.settings import CdnSettings


def create_purger(settings: CdnSettings) -> Purger:
    """Return the purger of validated settings.

    Raises:
        ConfigurationError: `cdn.kind` is `none`.
    """
    token, nodes_token = _revealed(settings.api_token), _revealed(settings.purge_token)
    match settings.kind:
        case "fastly":
            return Fastly(settings.fastly_service_id or "", token, settings.api_url or fastly.API_URL)
        case "cloudflare":
            return Cloudflare(
                settings.cloudflare_zone_id or "",
                token,
                settings.cloudflare_plan,
                settings.api_url or cloudflare.API_URL,
            )
        case "cloudfront":
            return CloudFront(
                settings.cloudfront_distribution_id or "",
                aws_keys(settings),
                Budget(settings.cloudfront_paths_per_hour, settings.cloudfront_wildcard_interval_s),
                items=settings.cloudfront_items,
                sizes=settings.image_sizes,
                api_url=settings.api_url or cloudfront.API_URL,
            )
        case "varnish":
            return Varnish(settings.nodes, nodes_token)
        case "nginx":
            return Nginx(settings.nodes, nodes_token, settings.image_sizes)
        case "none":
            raise ConfigurationError('cdn.kind is none, so there is nothing to purge: set it, for example to "varnish"')


def aws_keys(settings: CdnSettings) -> Callable[[], AwsKeys]:
    """Return a function that fetches AWS keys from the settings, else the environment, else the machine's role.

    A role's keys (EC2, ECS, a web identity in Kubernetes) expire within hours; minio's provider renews them in time.
    The function may use the network, and raises ConfigurationError if there are no keys.
    """
    provider: Provider = ChainedProvider([EnvAWSProvider(), IamAwsProvider()])
    if settings.aws_access_key is not None:
        provider = StaticProvider(settings.aws_access_key, _revealed(settings.aws_secret_key))

    def fetch() -> AwsKeys:
        try:
            found = provider.retrieve()
        except Exception as error:  # the providers let urllib3's, json's and their own errors through
            raise ConfigurationError(
                f"no AWS keys: set cdn.aws_access_key and cdn.aws_secret_key, or give the machine a role: {error!r}"
            ) from error
        return AwsKeys(found.access_key, found.secret_key, found.session_token)

    return fetch


def _revealed(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()
