"""AWS as tests play it: event streams, and a check of signatures made without any of the gateway's code.

Source of the check: docs.aws.amazon.com/IAM, "Create a signed AWS API request".
"""

import hashlib
import hmac
from urllib.parse import quote, unquote, urlsplit

import msgspec

from aibridge_core.bedrock.events import chunk_of
from aibridge_core.eventstream import encode
from support.raw_upstream import Received

EVENT_STREAM = ("content-type", "application/vnd.amazon.eventstream")


def chunks(*events: dict[str, object]) -> list[bytes]:
    """Each event of the Messages API as a message of an event stream."""
    return [encode(chunk_of(msgspec.json.encode(event))) for event in events]


_MESSAGE: dict[str, object] = {
    "id": "msg_bdrk_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 1},
}
_END: dict[str, object] = {"stop_reason": "end_turn", "stop_sequence": None}
ANSWER: list[dict[str, object]] = [
    {"type": "message_start", "message": _MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello 🌉"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": _END, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]


def signed_by(request: Received, secret: str) -> dict[str, str]:
    """The parts of a request's credential scope, if its signature was made with this secret; fails the test if not."""
    algorithm, _, rest = (request.header("authorization") or "").partition(" ")
    assert algorithm == "AWS4-HMAC-SHA256", request.headers
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key_id, date, region, service, _ = parts["Credential"].split("/")
    url = urlsplit(request.target)
    headers = "".join(f"{name}:{request.header(name)}\n" for name in parts["SignedHeaders"].split(";"))
    path = quote(url.path, safe="/~")  # a path is encoded once more than it is sent
    canonical = "\n".join(
        [request.method, path, url.query, headers, parts["SignedHeaders"], hashlib.sha256(request.body).hexdigest()]
    )
    scope = f"{date}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.header('x-amz-date')}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == parts["Signature"], canonical
    return {"key_id": key_id, "region": region, "service": service, "path": unquote(url.path)}
