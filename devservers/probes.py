"""Readiness probes for servers: each makes one connection and one request, and returns true or false."""

import http.client
import socket
import struct

_TIMEOUT_S = 2.0
_METADATA, _METADATA_VERSION = (
    3,
    1,
)  # API key of the Kafka protocol, and the oldest version that every broker here supports


def kafka_answers(host: str, port: int) -> bool:
    """Return whether the broker at this address lists at least one broker in its metadata.

    An open port is not enough: a KRaft broker listens before its controller unfences it, and lists no broker until
    then. The Metadata request names no topics (Kafka protocol guide, "Metadata API"), so that none is auto-created.
    """
    request = struct.pack(">hhihi", _METADATA, _METADATA_VERSION, 0, -1, 0)
    try:
        with socket.create_connection((host, port), _TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as response:
                (size,) = struct.unpack(">i", response.read(4))
                body = response.read(size)
        (brokers,) = struct.unpack_from(">i", body, 4)
    except (OSError, struct.error):
        return False
    return bool(brokers > 0)


def http_answers(host: str, port: int) -> bool:
    """Return whether an HTTP server there responds with a status below 500 (S3: 403, the request is not signed)."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts_connections(host: str, port: int) -> bool:
    """Return whether something listens there; for a proxy, whose responses are those of the server behind it."""
    try:
        with socket.create_connection((host, port), _TIMEOUT_S):
            return True
    except OSError:
        return False
