"""Questions that tell whether a server is ready: one connection, one request, true or false."""

import http.client
import socket
import struct

_TIMEOUT_S = 2.0
_METADATA, _METADATA_VERSION = 3, 1  # the Kafka protocol's API key, and the oldest version that every broker here knows


def kafka_answers(host: str, port: int) -> bool:
    """Tell whether the broker at this address names itself in its own metadata.

    An open port is not enough: a KRaft broker listens before its controller lets it serve, and names no broker until
    then. One Metadata request without topics (Kafka protocol guide, "Metadata API"), so that nothing is auto-created.
    """
    request = struct.pack(">hhihi", _METADATA, _METADATA_VERSION, 0, -1, 0)
    try:
        with socket.create_connection((host, port), _TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            with connection.makefile("rb") as answer:
                (size,) = struct.unpack(">i", answer.read(4))
                body = answer.read(size)
        (brokers,) = struct.unpack_from(">i", body, 4)
    except (OSError, struct.error):
        return False
    return bool(brokers > 0)


def http_answers(host: str, port: int) -> bool:
    """Tell whether an HTTP server there answers with anything but a server error (an S3 server: 403, no signature)."""
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts_connections(host: str, port: int) -> bool:
    """Tell whether something listens there: for a proxy, whose answers are those of the server behind it."""
    try:
        with socket.create_connection((host, port), _TIMEOUT_S):
            return True
    except OSError:
        return False
