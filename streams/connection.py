"""Broker connections of the streams apps: the clients for `BatchApp`, and Faust's own settings."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import TransactionalIdAuthorizationFailed
from faust.auth import OAuthCredentials
from faust.types.auth import CredentialsT

from bannerstream.broker.connection import client_options, ssl_context
from bannerstream.broker.empty_fetches import throttle_empty_fetches
from bannerstream.broker.publisher import MAX_REQUEST_BYTES
from bannerstream.broker.tokens import token_provider
from bannerstream.contracts.errors import ConfigurationError
from bannerstream.settings import KafkaSettings, Settings
from bannerstream.streams.worker_identity import WorkerIdentity

CHANGELOG_BATCH_BYTES = 900_000
"""Largest batch written: below the brokers' default limit of 1 MiB, and few requests for a large flush."""

REQUEST_TIMEOUT_S = 10.0
"""An unacknowledged record counts as failed after this long, and the outage is logged. Never longer than the session: a
worker paused for longer must not write its pending records."""

CHANGELOG_FETCH_BYTES = 1_048_576
"""Fetch size per changelog partition during recovery. Four times as much restores no faster and leaves a worker with
400,000 visitors 80 MB larger."""


async def connected_producer(settings: Settings, transactional_id: str | None = None) -> AIOKafkaProducer:
    """Return a started idempotent producer that waits for all in-sync replicas.

    Raises:
        KafkaError: the brokers cannot be reached, or refuse.
        ConfigurationError: they do not let this client use the transactional id.
    """
    kafka, streams = settings.kafka, settings.streams
    options: dict[str, Any] = client_options(kafka)
    if transactional_id is not None:
        options["transactional_id"] = transactional_id
        options["transaction_timeout_ms"] = round(1000 * streams.transaction_timeout_s)
    producer = AIOKafkaProducer(
        **options,
        acks="all",
        enable_idempotence=True,
        compression_type=None if streams.compression == "none" else streams.compression,
        max_batch_size=CHANGELOG_BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        request_timeout_ms=round(1000 * min(REQUEST_TIMEOUT_S, kafka.session_timeout_s)),
    )
    try:
        await producer.start()
    except TransactionalIdAuthorizationFailed as error:
        await producer.stop()
        raise ConfigurationError(
            f"the brokers do not let this client use the transactional id {transactional_id}: grant it Write and "
            f"Describe on ids with the prefix {streams.app_id}-, or set streams.transactions = false"
        ) from error
    except BaseException:
        await producer.stop()
        raise
    return producer


def transactional_producers(settings: Settings) -> Callable[[str], Awaitable[AIOKafkaProducer]] | None:
    """Return what connects a producer with a transactional id, or None if the settings turn transactions off."""
    if not settings.streams.transactions:
        return None
    return lambda transactional_id: connected_producer(settings, transactional_id)


async def connected_reader(kafka: KafkaSettings) -> AIOKafkaConsumer:
    """Return a started consumer without a group, for changelogs.

    Raises:
        KafkaError: the brokers cannot be reached, or refuse.
    """
    options: dict[str, Any] = client_options(kafka)
    consumer = AIOKafkaConsumer(
        **options, max_partition_fetch_bytes=CHANGELOG_FETCH_BYTES, isolation_level="read_committed"
    )
    try:
        await consumer.start()
    except BaseException:
        await consumer.stop()
        raise
    throttle_empty_fetches(consumer)
    return consumer


def faust_options(settings: Settings, identity: WorkerIdentity) -> dict[str, Any]:
    """Return these settings under Faust's names.

    Raises:
        ConfigurationError: a certificate cannot be used.
    """
    kafka, streams = settings.kafka, settings.streams
    return {
        "broker": [f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(kafka),
        "broker_session_timeout": kafka.session_timeout_s,
        "broker_heartbeat_interval": min(3.0, kafka.session_timeout_s / 3),
        "broker_commit_interval": streams.commit_interval_s,
        "consumer_group_instance_id": identity.name,
        "datadir": identity.folder,
        "table_standby_replicas": streams.standbys,
        "topic_allow_declare": False,
        "logging_config": None,
    }


def _credentials(kafka: KafkaSettings) -> CredentialsT | None:
    context = ssl_context(kafka)
    if kafka.security_protocol == "SASL_SSL" and kafka.sasl_mechanism == "OAUTHBEARER":
        return OAuthCredentials(oauth_cb=token_provider(kafka), ssl_context=context)
    if kafka.security_protocol == "SASL_SSL" and kafka.sasl_password is not None:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)
