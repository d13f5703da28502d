"""Addresses of clients, as rate limits count them."""

import ipaddress

from starlette.types import Scope

_LONGEST = 45
"""Characters of an address (RFC 4291 §2.2, with IPv4 at its end). A proxy may pass on what is longer."""


def client_address(scope: Scope) -> str:
    """Return the key of a request's client."""
    client = scope.get("client")
    return address_of(client[0]) if client else ""


def address_of(host: str) -> str:
    """Return the key of an address: an IPv4 address itself, the /64 of an IPv6 address, which is one subscriber's."""
    if ":" not in host:
        return host[:_LONGEST]
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host[:_LONGEST]
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
