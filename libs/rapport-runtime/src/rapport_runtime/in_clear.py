"""Which addresses may be spoken to without encryption: those that do not leave this host."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
"""The values of `sslmode` with which nothing is sent before the connection is encrypted."""


def stays_here(hosts: Iterable[str]) -> bool:
    """Whether each of the hosts is this one: a loopback address, or the path of a socket."""
    return all(map(_is_here, hosts))


def database_in_clear(url: str) -> bool:
    """Whether a Postgres address leads off this host without TLS being demanded.

    Of an address that cannot be read it says False: it will be refused as such.
    """
    scheme, separator, rest = url.partition("://")
    try:
        address = conninfo_to_dict(f"{scheme.partition('+')[0]}{separator}{rest}")
    except psycopg.ProgrammingError:
        return False
    hosts = f"{address.get('host') or ''},{address.get('hostaddr') or ''}".split(",")
    is_here = stays_here(host for host in hosts if host)
    return not is_here and address.get("sslmode") not in _ENCRYPTED


def brokers_stay_here(bootstrap_servers: str) -> bool:
    """Whether all brokers of a list such as `kafka-1:9092,kafka-2:9092` are on this host."""
    servers = (server.strip().rpartition(":")[0] for server in bootstrap_servers.split(","))
    return stays_here(servers)


def http_in_clear(url: str) -> bool:
    """Whether an HTTP address leads off this host without TLS."""
    parts = urlsplit(url)
    return parts.scheme.lower() != "https" and not stays_here([parts.hostname or ""])


def _is_here(host: str) -> bool:
    if host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
