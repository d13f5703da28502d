"""Addresses of clients, as rate limits count them."""

import ipaddress


def address_of(host: str) -> str:
    """Return the key of an address: an IPv4 address itself, the /64 of an IPv6 address, which is one subscriber's."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
