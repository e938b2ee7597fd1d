"""A request to Bedrock's runtime API, made of one of the Messages API.

Belongs here: URL and headers, which all actions of that API share. Never: bodies (`body`, `count_tokens`).
"""

from typing import Final
from urllib.parse import quote

from attrs import evolve

from aibridge_core.wire import Headers, UpstreamRequest, with_headers

_IN_BODY: Final = (b"anthropic-beta", b"anthropic-version")
"""Headers that Bedrock reads as members of the body."""
_FORMS: Final = ((b"content-type", b"application/json"), (b"accept", b"application/json"))
"""Bedrock has no other form, and may refuse who asks for one, such as `text/event-stream`."""


def runtime_request(
    request: UpstreamRequest, *, base_url: str, model: str, action: str, body: bytes
) -> UpstreamRequest:
    """The request that asks for this action of this model."""
    url = f"{base_url.rstrip('/')}/model/{quote(model, safe='')}/{action}"
    kept = tuple(pair for pair in request.headers if pair[0] not in _IN_BODY)
    return with_headers(evolve(request, method="POST", url=url, headers=kept, body=body), _FORMS)


def asked_betas(headers: Headers) -> list[str]:
    """The betas that a client asks for: in headers, each with one or several."""
    values = [value.decode("latin-1") for name, value in headers if name == b"anthropic-beta"]
    return [beta.strip() for value in values for beta in value.split(",") if beta.strip()]
