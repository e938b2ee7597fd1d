"""Settings: what can be configured, with defaults and meaning. Reading them is `aibridge_adapters.config_sources`.

Belongs here: frozen values, ready to use. Never: environment, files or flags.
"""

from pathlib import Path

import platformdirs
from attrs import Factory, field, frozen


@frozen(kw_only=True)
class ProviderSettings:
    """One configured provider instance."""

    type: str
    """A key of `aibridge_core.providers.registry.KINDS`, as configured; recorded with every interception."""
    name: str
    """`^[a-z0-9]+(-[a-z0-9]+)*$`, unique; the first segment of its routes."""
    base_url: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    """Central upstream keys, the first of which is used; empty if every user brings their own."""


@frozen(kw_only=True)
class Timeouts:
    """Upstream timeouts, in seconds; 0 means none."""

    connect: float = 10.0
    read_idle: float = 300.0
    """Longest silence inside a blocking exchange, and before the head of any answer."""
    total: float = 600.0
    """Of a whole blocking exchange. Streams have no total."""
    stream_idle: float = 900.0
    """Longest silence inside a stream."""


@frozen(kw_only=True)
class Settings:
    """Everything that `aibridge serve` can be told. Library users construct it; the defaults are the server's."""

    http_address: str = "127.0.0.1:4001"
    database_url: str = ""
    """`sqlite:///PATH` or `sqlite:///:memory:`; empty means a file in the user's data folder."""
    providers: tuple[ProviderSettings, ...] = ()
    bootstrap_admin_token: str = field(default="", repr=False)
    allow_byok: bool = True
    max_body: int = 32 * 1024 * 1024
    """Largest request body, in bytes, compressed and decompressed alike."""
    timeouts: Timeouts = Factory(Timeouts)
    keep_alive_interval: float = 10.0
    """Silence of an upstream stream, in seconds, after which the client gets a keep-alive; 0 turns them off."""
    shutdown_timeout: float = 30.0
    """How long running answers may go on after SIGTERM, in seconds."""
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    ca_bundle: Path | None = None
    """Certificate authorities to trust upstream instead of the system's."""
    log_level: str = "info"
    log_format: str = "auto"
    """`human`, `json`, or `auto`: human on a terminal."""


def default_database_url(folder: Path | None = None) -> str:
    """A file in the given folder, or else in the user's data folder."""
    folder = folder or platformdirs.user_data_path("aibridge", appauthor=False)
    return f"sqlite:///{(folder / 'aibridge.db').as_posix()}"
