"""Answers that are given to the client in another form than they came in.

Belongs here: answers that have to be read whole. Never: streams (`invoke_model`), or what an answer means.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

from attrs import evolve

from aibridge_core.errors import UpstreamBroken
from aibridge_core.ports import UpstreamAnswer
from aibridge_core.wire import AnswerHead, header

MAX_ANSWER: Final = 1024 * 1024
"""Longest answer that is read whole, in bytes: errors and counts are a few hundred."""
_OF_OLD_BODY: Final = (b"content-type", b"content-length", b"content-md5", b"etag")


class WholeAnswer:
    """Implements `aibridge_core.ports.UpstreamAnswer` over one that is not coded; JSON comes of it."""

    def __init__(self, answer: UpstreamAnswer, becomes: Callable[[AnswerHead, bytes], bytes]) -> None:
        """`becomes`: the new body for the old one; raises UpstreamBroken if it makes no sense."""
        self._answer = answer
        self._becomes = becomes
        kept = tuple(pair for pair in answer.head.headers if pair[0] not in _OF_OLD_BODY)
        self.head: AnswerHead = evolve(answer.head, headers=(*kept, (b"content-type", b"application/json")))

    async def chunks(self) -> AsyncIterator[bytes]:
        """One piece. Raises UpstreamBroken."""
        body = bytearray()
        async for chunk in self._answer.chunks():
            body += chunk
            if len(body) > MAX_ANSWER:
                raise UpstreamBroken(f"the provider's answer passes {MAX_ANSWER} bytes where a short one was expected")
        yield self._becomes(self._answer.head, bytes(body))


def is_coded(head: AnswerHead) -> bool:
    """Whether the body is in a coding that wasn't asked for, so that it can only pass as it is."""
    return (header(head.headers, b"content-encoding") or "identity").lower() != "identity"
