"""Addresses of callers and of trusted proxies: an IPv4 address is one, however it is spelt."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
"""The IPv4 addresses as a socket for both kinds spells them (RFC 4291), as `::ffff:1.2.3.4`."""

_NETWORK_BITS: Final = 64


def one_caller(address: str) -> str:
    """What counts as one caller: an IPv4 address; the /64 of an IPv6 address, all of which one may
    own; else the text as it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), _NETWORK_BITS), strict=False))


def proxy_spellings(named: str) -> list[str]:
    """The address or network of a proxy in each spelling in which a connection may show it.

    Raises ValueError for what is none, and for a network of all addresses.
    """
    network = ip_network(named)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        network = _unmapped(network)
    if network.prefixlen == 0 or (isinstance(network, IPv6Network) and _MAPPED.subnet_of(network)):
        raise ValueError("a network of all addresses")
    if isinstance(network, IPv6Network):
        return [str(network)]
    mapped = _MAPPED.prefixlen + network.prefixlen
    return [str(network), f"::ffff:{network.network_address}/{mapped}"]


def _unmapped(network: IPv6Network) -> IPv4Network:
    bits = network.prefixlen - _MAPPED.prefixlen
    return IPv4Network((int(network.network_address) & 0xFFFF_FFFF, bits))
