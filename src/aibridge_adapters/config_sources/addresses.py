"""Reads values that name a place: listening addresses, provider base URLs, database URLs.

Belongs here: syntax and what we refuse in it. Never: resolving or connecting.
"""

import re
from importlib.util import find_spec
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from aibridge_adapters.config_sources.values import BadValue, text_of

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^:/\[\]]+)):(?P<port>\d{1,5})", re.ASCII)
_HOST_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?", re.IGNORECASE)
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9.]+")
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_USER_INFO = re.compile(r"//.*@", re.DOTALL)
_PASSWORD = re.compile(r"(//[^/@:]*:)(?:[^/]*@|.*@)", re.DOTALL)
"""Whatever stands before an `@`: a password may hold any character, also one that should have been encoded."""
_PASSWORD_OPTION = re.compile(r"([?&](?:ssl|oauth_client_)?(?:password|secret)=)[^&]*", re.IGNORECASE)
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_SQLITE = "sqlite:///"


def read_address(raw: object) -> str:
    """`host:port` to listen on; an IPv6 host stands in brackets (RFC 3986, section 3.2.2)."""
    text = text_of(raw)
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise BadValue(_why_no_address(text))
    _check_host(match["six"], match["host"])
    if int(match["port"]) > 65535:
        raise BadValue(f"there is no port {match['port']}")
    return text


def read_base_url(raw: object) -> str:
    """Where a provider is. Credentials and queries don't belong in it: it is logged and shown."""
    text = text_of(raw)
    if _BLANK_OR_CONTROL.search(text):
        raise BadValue("it holds blanks or control characters")
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadValue
    if "@" in parts.netloc:
        raise BadValue("credentials don't belong in a base URL; use KEY")
    if "?" in text or "#" in text:
        raise BadValue("a query or fragment doesn't belong in a base URL")
    return text


def read_collector(raw: object) -> str:
    """Where telemetry goes: a URL as of a provider, or host and port, which mean plain text."""
    text = text_of(raw)
    if "://" not in text:
        return read_address(text)
    try:
        return read_base_url(text)
    except BadValue as error:
        raise BadValue(str(error).replace("use KEY", "use OTEL_EXPORTER_OTLP_HEADERS")) from error


def read_database_url(raw: object) -> str:
    """A PostgreSQL database, an SQLite file or `:memory:`, or what an installed plugin may make of it."""
    text = text_of(raw)
    scheme, separator, rest = text.partition("://")
    if scheme in ("postgresql", "postgres"):
        _check_postgres(rest)
    elif separator and scheme != "sqlite":
        _check_plugin(scheme)
    elif not text.startswith(_SQLITE) or text == _SQLITE:
        raise BadValue
    return text


def without_credentials(text: str) -> str:
    """A text that may be a URL, without user, password and query: fit for a message."""
    shown = _USER_INFO.sub("//...@", text)
    return _QUERY.sub(lambda found: found[0][0] + "...", shown) if "://" in shown else shown


def show_database_url(text: str) -> str:
    """Without the passwords that a PostgreSQL URL may hold, in front of the host or among the options."""
    return _PASSWORD_OPTION.sub(r"\1...", _PASSWORD.sub(r"\1...@", text)) if "://" in text else text


def _check_postgres(rest: str) -> None:
    if not rest:
        raise BadValue("it names no database")
    if find_spec("psycopg") is None:
        raise BadValue("PostgreSQL needs a package that is not installed: pip install 'aibridge[postgres]'")


def _check_plugin(scheme: str) -> None:
    # Only here, because it brings all of storage with it, and most databases need no plugin.
    from aibridge_adapters.storage.plugins import plugin_schemes  # noqa: PLC0415

    schemes = plugin_schemes()
    if scheme.lower() not in schemes:
        installed = ", ".join(f"{each}://" for each in schemes) or "none"
        raise BadValue(f"no such storage is installed (plugins: {installed})")


def _why_no_address(text: str) -> str:
    if text.count(":") > 1 and "[" not in text and "/" not in text:
        return "an IPv6 host stands in brackets"
    if text.startswith(":"):
        return "the host is missing; 0.0.0.0 and [::] listen on every interface"
    return ""


def _check_host(six: str | None, host: str | None) -> None:
    try:
        if six is not None:
            IPv6Address(six)
        elif host is not None and _LOOKS_LIKE_IPV4.fullmatch(host):
            IPv4Address(host)
        elif host is not None and not _HOST_NAME.fullmatch(host):
            raise BadValue("that is no host name")
    except AddressValueError as error:
        raise BadValue(f"that is no IP address: {error}") from error


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for a port that isn't one
    except ValueError as error:
        raise BadValue(str(error)) from error
    return parts
