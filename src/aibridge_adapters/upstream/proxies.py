"""Which proxy leads to a provider, by the customary environment variables.

Belongs here: reading and matching them. Never: talking to a proxy (`dialling`).
"""

from collections.abc import Mapping
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # unknown to typeshed

import httpx
from attrs import frozen


class ProxyUnusable(ValueError):
    """A proxy of the environment that can't be used; the message names the variable, never its value."""


@frozen(kw_only=True)
class Proxies:
    """A proxy for each scheme of a provider's URL, and the hosts that are reached without one."""

    http: httpx.Proxy | None = None
    https: httpx.Proxy | None = None
    no_proxy: str = ""
    """Comma-separated hosts and domains, or `*`."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Proxies":
        """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; lower-case names go first, as in curl.

        Raises ProxyUnusable.
        """
        return cls(
            http=_proxy(environ, "http_proxy", "all_proxy"),
            https=_proxy(environ, "https_proxy", "all_proxy"),
            no_proxy=_value(environ, "no_proxy")[1],
        )

    def of(self, url: httpx.URL) -> httpx.Proxy | None:
        """The proxy for this URL; None means a direct connection."""
        proxy = self.https if url.scheme == "https" else self.http
        if proxy is None or proxy_bypass_environment(f"{url.host}:{port_of(url)}", {"no": self.no_proxy}):
            return None
        return proxy


def port_of(url: httpx.URL) -> int:
    """The port, given or by scheme."""
    return url.port or (443 if url.scheme == "https" else 80)


def _value(environ: Mapping[str, str], *names: str) -> tuple[str, str]:
    for name in names:
        for variable in (name, name.upper()):
            if value := environ.get(variable, "").strip():
                return variable, value
    return "", ""


def _proxy(environ: Mapping[str, str], *names: str) -> httpx.Proxy | None:
    variable, value = _value(environ, *names)
    if not value:
        return None
    try:
        proxy = httpx.Proxy(value if "://" in value else f"http://{value}")
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        # The value may hold a password, so it is not shown.
        raise ProxyUnusable(f"{variable}: only proxies of the form http://host:port or https://host:port can be used")
    return proxy
