"""What went wrong with an exchange, as the core's errors.

Belongs here: the mapping, and words that are fit for clients. Never: what is done about it.
"""

from typing import Final

import httpx

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.connection import Garbled
from aibridge_adapters.upstream.origins import host_of
from aibridge_adapters.upstream.patience import Patience
from aibridge_core.errors import UpstreamBroken, UpstreamCut, UpstreamFault, UpstreamTimeout, UpstreamUnreachable

ERRORS: Final = (TimeoutError, httpx.TransportError, httpx.InvalidURL, ValueError)
"""All that an exchange can fail with."""

_DID: Final = {
    UpstreamUnreachable: "{} can't be reached",
    UpstreamCut: "the answer of {} broke off",
}


def fault(
    error: Exception, url: str, *, otherwise: type[UpstreamFault], timeouts: Timeouts, patience: Patience
) -> UpstreamFault:
    """The core's error for one of `ERRORS`: it names the host, never a path, a query or a header."""
    host = host_of(url)
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return UpstreamTimeout(f"{host} did not accept a connection within {timeouts.connect:g} s")
    if isinstance(error, httpx.TimeoutException):
        # Inside a stream there is no status: OpenCode and Pi come again for words like these.
        return UpstreamTimeout(f"{host} was silent for {patience.idle or 0:g} s: the response timed out")
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(f"{host} did not finish its answer within {timeouts.total:g} s")
    if isinstance(error, Garbled):
        return UpstreamBroken(f"the answer of {host} can't be read: {error}")
    if isinstance(error, httpx.TransportError):
        return otherwise(f"{_DID[otherwise].format(host)}: {error}")
    return UpstreamUnreachable(f"{host}: that is not a URL to send requests to")
