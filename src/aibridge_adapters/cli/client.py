"""The REST API as the command line asks it.

Belongs here: one blocking request, its token and its failures in words. Never: what is done with the answer.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import IO, Any, NoReturn
from urllib.parse import urlsplit

import click
import httpx
from attrs import field, frozen

from aibridge_adapters.cli.errors import Failure, Misuse
from aibridge_adapters.cli.safe_text import one_line

DEFAULT_URL = "http://127.0.0.1:4001"
TOKEN_VARIABLE = "AIBRIDGE_TOKEN"  # noqa: S105  (the name of a variable)

_TIMEOUT = 60.0
"""Seconds of silence before giving up; a page of 1000 long interceptions takes a while on a slow line."""
_API = "/api/v2/aibridge"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@frozen(kw_only=True)
class Gateway:
    """A gateway and a token for it."""

    url: str
    token: str = field(repr=False)

    def get(self, path: str, params: Mapping[str, str]) -> Any:
        """The JSON at a path below the API. Raises Failure."""
        return self._ask("GET", path, params)

    def post(self, path: str) -> Any:
        """Have something done; its JSON answer. Raises Failure."""
        return self._ask("POST", path, {})

    def _ask(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        # A proxy from the environment is never asked for this machine: it could not know it, but would get the token.
        local = urlsplit(self.url).hostname in _LOOPBACK
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        try:
            answer = httpx.request(
                method, self.url + _API + path, params=params, headers=headers, timeout=_TIMEOUT, trust_env=not local
            )
        except httpx.TimeoutException as error:
            raise Failure(f"{self.url} did not answer within {_TIMEOUT:.0f} seconds") from error
        except httpx.HTTPError as error:
            raise Failure(_unreachable(self.url, error)) from error
        if answer.status_code != 200:
            _refused(self.url, answer.status_code, _json(answer.content))
        result = _json(answer.content)
        if result is None:
            raise Failure(_NO_GATEWAY.format(url=self.url))
        return result


def gateway_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options `--url` and `--token-file`, for commands that ask a running gateway."""
    for option in (
        click.option(
            "--token-file",
            type=click.File("r"),
            help=f"Read the token from this file instead of {TOKEN_VARIABLE}; - is standard input.",
        ),
        click.option("--url", envvar="AIBRIDGE_URL", show_envvar=True, default=DEFAULT_URL, show_default=True,
                     help="Address of the gateway."),
    ):  # fmt: skip
        command = option(command)
    return command


def gateway_from_flags(url: str, token_file: IO[str] | None) -> Gateway:
    """Where to ask, and as whom. Raises Misuse, Failure."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misuse(f"{url!r} is no address of a gateway, such as {DEFAULT_URL}; see --url and AIBRIDGE_URL")
    token = (token_file.read() if token_file else os.environ.get(TOKEN_VARIABLE, "")).strip()
    if not token:
        raise Failure(f"no token: set {TOKEN_VARIABLE} or --token-file; make one with `aibridge tokens create USER`")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise Failure("the token holds characters that no token has; is it a whole line of its own?")
    return Gateway(url=url.rstrip("/"), token=token)


_NO_GATEWAY = "{url} does not answer as an aibridge gateway does; check --url or AIBRIDGE_URL"

_BY_STATUS = {
    401: f"the gateway refused the token; check {TOKEN_VARIABLE} or --token-file",
    403: "this token's user may not do that",
}


def _unreachable(url: str, error: Exception) -> str:
    reason = str(error) or type(error).__name__
    return f"can't reach {url} ({reason}); is `aibridge serve` running there? Else set --url or AIBRIDGE_URL"


def _refused(url: str, status: int, problem: Any) -> NoReturn:
    said = _problem_text(problem)
    if not said:
        raise Failure(f"{_NO_GATEWAY.format(url=url)} (status {status})")
    raise Failure(f"{_BY_STATUS[status]} ({said})" if status in _BY_STATUS else said)


def _problem_text(problem: Any) -> str:
    """The message, detail and field notes of the API's error object, on one line."""
    if not isinstance(problem, dict) or not isinstance(problem.get("message"), str):
        return ""
    notes = [f"{note.get('field')}: {note.get('detail')}" for note in problem.get("validations") or []]
    parts = [problem["message"], problem.get("detail") or "", *notes]
    return one_line(" ".join(part for part in parts if part), 1000)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
