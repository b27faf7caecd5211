"""A database's address: translates libpq's URIs for SQLAlchemy and asyncpg.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from sqlalchemy.engine import URL

CONNECT_TIMEOUT_S: Final = 5
"""How long a connection may take, unless the address says so by `connect_timeout`."""

_SCHEMES: Final = frozenset({"postgresql", "postgres", "postgresql+asyncpg"})
_CHOICES: Final = {
    "sslmode": frozenset("disable allow prefer require verify-ca verify-full".split()),
    "target_session_attrs": frozenset("any primary standby read-write read-only prefer-standby".split()),
    # asyncpg supports neither option; these values do not require them.
    "channel_binding": frozenset({"disable", "prefer"}),
    "gssencmode": frozenset({"disable", "prefer"}),
}
_FILES: Final = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})
_TAKEN: Final = _FILES | frozenset(
    "host port sslmode target_session_attrs sslpassword sslnegotiation ssl_min_protocol_version "
    "ssl_max_protocol_version krbsrvname gsslib passfile application_name options".split()
)
_NEEDLESS: Final = frozenset(
    "channel_binding gssencmode keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout "
    "sslcompression sslsni client_encoding".split()
)
"""What the driver does without."""
_SYSTEM_STORE: Final = "system"


@dataclass(frozen=True)
class DatabaseAddress:
    """A parsed database address.

    Args:
        url: for SQLAlchemy's asyncpg dialect; it shows no password when printed.
        connect_timeout_s: seconds that opening a connection may take.
    """

    url: URL
    connect_timeout_s: float


def parse_address(database_url: str) -> DatabaseAddress:
    """Parse an address.

    Raises:
        ValueError: it is malformed, or asks for an option the driver lacks. The text contains no password.
    """
    try:
        parts = urlsplit(database_url)
        options = dict(parse_qsl(parts.query, strict_parsing=True) if parts.query else [])
    except ValueError:
        raise ValueError("must be an address like postgresql://user:password@host:5432/name") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("must be a postgresql:// address")
    credentials, _, hosts = parts.netloc.rpartition("@")
    _check_ports(hosts, options.get("port"))
    user, has_password, password = credentials.partition(":")
    user, password = options.pop("user", unquote(user)), options.pop("password", unquote(password))
    database = options.pop("dbname", unquote(parts.path.removeprefix("/")))
    timeout_s = _timeout(options.pop("connect_timeout", str(CONNECT_TIMEOUT_S)))
    _check_options(options)
    taken = {name: _translated(name, value) for name, value in options.items() if name in _TAKEN}
    url = URL.create(
        "postgresql+asyncpg",
        username=user or None,
        password=password if has_password or password else None,
        database=database or None,
        # asyncpg reads the rest itself: several hosts, TLS and its files.
        query={"dsn": f"postgresql://{hosts}/?{urlencode(taken)}" if taken else f"postgresql://{hosts}/"},
    )
    return DatabaseAddress(url, timeout_s)


def async_url(database_url: str) -> URL:
    """The address as SQLAlchemy's asyncpg dialect takes it.

    Raises:
        ValueError: as `parse_address`.
    """
    return parse_address(database_url).url


def _translated(name: str, value: str) -> str:
    if name != "sslrootcert" or value != _SYSTEM_STORE:
        return value
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.openssl_cafile


def _check_ports(hosts: str, option: str | None) -> None:
    # An IPv6 address has colons of its own, within brackets.
    ends = (host.rpartition("]")[2] for host in hosts.split(","))
    ports = [end.partition(":")[2] for end in ends if ":" in end]
    ports += [] if option is None else option.split(",")
    if not all(port.isascii() and port.isdigit() and 0 < int(port) <= 65535 for port in ports):
        raise ValueError("has a port that is no number from 1 to 65535")


def _timeout(text: str) -> float:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError("has a connect_timeout that is no number of seconds")
    # libpq's own minimum is two seconds.
    return max(2.0, float(text))


def _check_options(options: dict[str, str]) -> None:
    unknown = sorted(options.keys() - _TAKEN - _NEEDLESS)
    if unknown:
        raise ValueError(f"has an option that is not known here: {', '.join(unknown)}")
    for name, choices in _CHOICES.items():
        if name in options and options[name] not in choices:
            raise ValueError(f"has {name} set to something else than {', '.join(sorted(choices))}")
    for name in sorted(_FILES & options.keys()):
        if options[name] != _SYSTEM_STORE and not Path(options[name]).is_file():
            raise ValueError(f"names a file for {name} that is not there")
