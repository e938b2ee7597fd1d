"""A gateway's REST API, reduced to scripted answers on a free port, and a memory of what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field, frozen


@frozen
class Asked:
    path: str
    params: dict[str, str]
    authorization: str | None


@define
class ApiServer:
    """Answers every request with `status` and `body`; a `body` of bytes is sent as it is."""

    url: str = ""
    status: int = 200
    body: Any = field(factory=lambda: {"count": 0, "results": []})
    asked: list[Asked] = field(factory=list)


@contextmanager
def api_server() -> Iterator[ApiServer]:
    state = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            state.asked.append(Asked(parts.path, dict(parse_qsl(parts.query)), self.headers.get("authorization")))
            body = state.body if isinstance(state.body, bytes) else json.dumps(state.body).encode()
            self.send_response(state.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def interception(**changes: Any) -> dict[str, Any]:
    """An interception as the API documents it."""
    stamp = "2026-01-02T03:04:06.000000Z"
    child = {"id": "c1", "interception_id": "i1", "provider_response_id": "msg_1", "metadata": {}, "created_at": stamp}
    return {
        "id": "0190163d-8694-739b-aea5-966c26f8ad91",
        "api_key_id": "aBcDeF1234",
        "initiator": {"id": "u1", "username": "ann", "name": "Ann Lee", "avatar_url": ""},
        "provider": "anthropic",
        "provider_name": "anthropic",
        "model": "claude-x",
        "client": "Claude Code",
        "session_id": "s1",
        "thread_root_id": None,
        "status": "completed",
        "error_type": "",
        "error_message": "",
        "credential_kind": "centralized",
        "credential_hint": "sk-a...1234",
        "metadata": {"request_user_agent": "claude-cli/1"},
        "started_at": "2026-01-02T03:04:05.000000Z",
        "ended_at": "2026-01-02T03:04:09.500000Z",
        "token_usages": [
            {**child, "input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 7,
             "cache_write_input_tokens": 0},
            {**child, "input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 0,
             "cache_write_input_tokens": 3},
        ],
        "user_prompts": [{**child, "prompt": "fix the\nbuild"}],
        "tool_usages": [{**child, "tool": "Read", "input": '{"path":"a.py"}', "injected": False, "server_url": "",
                         "invocation_error": ""}],
        "model_thoughts": [{**child, "content": "look first", "metadata": {"source": "thinking"}}],
        **changes,
    }  # fmt: skip
