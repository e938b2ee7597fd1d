"""Asks an authorization server for a fresh token (RFC 6749, section 6; OAuth 2.1, section 4.3).

Belongs here: one request and what its answers mean. Never: when it is made, or what becomes of the token.
"""

import re
import ssl
from base64 import b64encode
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx2
import msgspec
from attrs import evolve, frozen

from aibridge_adapters.mcp.errors import Refused, Unavailable
from aibridge_adapters.mcp.tokens import SECRET_BASIC, SECRET_POST, Fresh, Renewal, UserToken
from aibridge_core.ports import Clock

PATIENCE: Final = 10.0
"""Seconds for connecting, and for each silence."""
MOST_ANSWER: Final = 64 * 1024
"""Bytes; a longer answer is none."""
LONGEST_LIFE: Final = 10 * 365 * 86_400
"""Seconds; what is said to live longer is taken to live for ever."""
_CODE: Final = re.compile(r"[a-z_]{1,40}")


@frozen
class Renewer:
    """Makes the request, each on a connection of its own: it is rare."""

    _context: ssl.SSLContext
    _clock: Clock

    async def renew(self, token: UserToken) -> Fresh:
        """A fresh token. Raises Refused if there will be none, and Unavailable if it should be tried again."""
        assert token.renewal
        status, body = await self._answer(token.renewal)
        if status == 429 or status >= 500:
            raise Unavailable(f"its authorization server can't renew the user's token now (HTTP status {status})")
        if status != 200:
            raise Refused(f"its authorization server doesn't renew the user's token: {_code_of(body) or status}")
        return self._fresh(token, token.renewal, body)

    async def _answer(self, renewal: Renewal) -> tuple[int, bytes]:
        form, headers = _request(renewal)
        timeout = httpx2.Timeout(PATIENCE)
        try:
            async with (
                httpx2.AsyncClient(verify=self._context, timeout=timeout, follow_redirects=False) as client,
                client.stream("POST", renewal.endpoint, data=form, headers=headers) as response,
            ):
                return response.status_code, await _bounded(response)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(
                f"its authorization server, which renews the user's token, can't be reached ({type(error).__name__})"
            ) from None

    def _fresh(self, token: UserToken, renewal: Renewal, body: bytes) -> Fresh:
        asked_at = self._clock.now()
        match _object(body):
            case {"access_token": str(text), **rest} if text and text.isascii() and text.isprintable():
                refresh = rest.get("refresh_token")
                kept = refresh if isinstance(refresh, str) and refresh else renewal.refresh_token
                seconds = lifetime(rest.get("expires_in"))
                return Fresh(
                    token=evolve(token, text=text, renewal=evolve(renewal, refresh_token=kept)),
                    expires_at=asked_at + timedelta(seconds=seconds) if seconds else None,
                )
        raise Unavailable("its authorization server answered with something that is no token")


def lifetime(seconds: object) -> float | None:
    """In seconds, as `expires_in` says; None for ever, or if it says nothing that makes sense."""
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < LONGEST_LIFE:
        return float(seconds)
    return None


def _request(renewal: Renewal) -> tuple[dict[str, str], dict[str, str]]:
    """Form and headers. The client says who it is as it was registered (RFC 6749, section 2.3.1)."""
    form = {"grant_type": "refresh_token", "refresh_token": renewal.refresh_token, "client_id": renewal.client_id}
    headers = {"Accept": "application/json", "User-Agent": "aibridge"}
    if renewal.resource:
        form["resource"] = renewal.resource
    if renewal.client_auth == SECRET_POST and renewal.client_secret:
        form["client_secret"] = renewal.client_secret
    if renewal.client_auth == SECRET_BASIC and renewal.client_secret:
        pair = f"{quote(renewal.client_id, safe='')}:{quote(renewal.client_secret, safe='')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return form, headers


async def _bounded(response: httpx2.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MOST_ANSWER:
            return b""
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _code_of(body: bytes) -> str:
    """The error's code (RFC 6749, section 5.2). Descriptions are left out: some servers repeat what they were sent."""
    code = _object(body).get("error")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
