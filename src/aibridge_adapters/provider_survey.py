"""Whether providers answer, and whether they take the configured keys.

Belongs here: one cheap question for each key: which models there are. Never: a request that costs tokens.
"""

from collections.abc import Sequence

from attrs import field, frozen

from aibridge_core.actors import Credential, mask
from aibridge_core.dialects.failures import failure_of_status
from aibridge_core.dispatch import NO_RETRIES, Dispatch
from aibridge_core.errors import BridgeError
from aibridge_core.keys import OneCredential
from aibridge_core.observing import UNWATCHED
from aibridge_core.ports import Clock, Upstream
from aibridge_core.providers.api import Provider
from aibridge_core.wire import UpstreamRequest

_MODELS = ("/v1/models", "/models")
"""Paths below a provider's name that list its models, the usual one first."""
_HEADERS = ((b"accept", b"application/json"), (b"accept-encoding", b"identity"), (b"anthropic-version", b"2023-06-01"))
"""Anthropic's API needs its version; the others don't mind it."""
_MOST = 64 * 1024
"""Bytes of an answer that are looked at."""


@frozen(kw_only=True)
class ProviderReport:
    """What came of asking a provider with one credential."""

    provider: Provider
    credential: str
    """Hint of the key; `signed` for Bedrock; empty if there is none."""
    state: str
    """`ok`, `reachable` (it answers, and that is all that could be learnt), `refused`, `failed` or `disabled`."""
    status: int | None = None
    latency: float = 0.0
    """In seconds, connecting included."""
    error: str = field(default="")


async def survey(providers: Sequence[Provider], upstream: Upstream, clock: Clock) -> Sequence[ProviderReport]:
    """Ask each provider once for each of its keys, one after the other. Never raises."""
    return [await _asked(each, credential, upstream, clock) for each in providers for credential in _credentials(each)]


def _credentials(provider: Provider) -> Sequence[Credential | None]:
    try:
        return [each.credential((), own=False) for each in _one_by_one(provider)]
    except BridgeError:  # everybody brings their own
        return [None]


def _one_by_one(provider: Provider) -> Sequence[Provider]:
    return [provider.with_key(key) for key in provider.keys] or [provider]


async def _asked(provider: Provider, credential: Credential | None, upstream: Upstream, clock: Clock) -> ProviderReport:
    hint = "" if credential is None else "signed" if credential.signer else mask(credential.secret)
    if not provider.enabled:
        return ProviderReport(provider=provider, credential=hint, state="disabled")
    path = next((path for path in _MODELS if provider.route(path)), "")
    begun = clock.monotonic()
    try:
        status, body = await _answer(provider, credential, path, upstream, clock)
    except BridgeError as error:
        return ProviderReport(
            provider=provider, credential=hint, state="failed", latency=clock.monotonic() - begun, error=error.message
        )
    state = _state(status, sure=bool(path and credential))
    return ProviderReport(
        provider=provider,
        credential=hint,
        state=state,
        status=status,
        latency=clock.monotonic() - begun,
        error="" if state in ("ok", "reachable") else _said(status, body, provider),
    )


def _said(status: int, body: bytes, provider: Provider) -> str:
    """The provider's own words, without the keys that some of them quote."""
    text = failure_of_status(status, body).message
    for key in provider.keys:
        text = text.replace(key, mask(key))
    return text


def _state(status: int, *, sure: bool) -> str:
    """`sure`: a credential was shown where one is needed."""
    if not sure:
        return "reachable"
    if status in (401, 403):
        return "refused"
    return "ok" if status < 400 else "reachable" if status in (404, 405) else "failed"


async def _answer(
    provider: Provider, credential: Credential | None, path: str, upstream: Upstream, clock: Clock
) -> tuple[int, bytes]:
    url = provider.url(path, b"") if path else provider.base_url
    request = UpstreamRequest(method="GET", url=url, headers=_HEADERS)
    if credential is None:
        async with upstream.open(request) as answer:
            return answer.head.status, b""
    keys = OneCredential(credential)
    dispatch = Dispatch(upstream=upstream, keys=keys, retries=NO_RETRIES, clock=clock, watch=UNWATCHED)
    async with dispatch.call(request) as answer:
        body = b""
        async for piece in answer.chunks():
            body += piece
            if len(body) >= _MOST:
                break
        return answer.head.status, body
