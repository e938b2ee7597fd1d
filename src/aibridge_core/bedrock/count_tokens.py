"""How many tokens a request of the Messages API would be, asked of Bedrock's CountTokens.

Belongs here: the question, and the answer's form. Never: what a model takes (`body`), signatures (a port).

Source: the Amazon Bedrock Runtime API, "CountTokens": a foundation model is asked, no profile, with the body of an
InvokeModel request.
"""

from base64 import b64encode
from typing import Any, Final

import msgspec
from attrs import frozen

from aibridge_core.bedrock.answers import WholeAnswer, is_coded
from aibridge_core.bedrock.body import adapted
from aibridge_core.bedrock.models import foundation_model
from aibridge_core.bedrock.refusals import refusal
from aibridge_core.bedrock.requests import asked_betas, runtime_request
from aibridge_core.dialects.jsontext import count_or_none, try_read, try_read_any
from aibridge_core.dialects.splice import change_members, remove_member
from aibridge_core.errors import MalformedRequest, UpstreamBroken
from aibridge_core.ports import UpstreamAnswer
from aibridge_core.wire import AnswerHead, UpstreamRequest

_MAX_TOKENS: Final = 8192
"""InvokeModel demands a limit, which counting in the Messages API has not; every model that can count takes this."""


class _Thinking(msgspec.Struct):
    budget_tokens: Any = None


class _Question(msgspec.Struct):
    model: Any = None
    max_tokens: Any = None
    thinking: msgspec.Raw = msgspec.Raw(b"null")
    tools: msgspec.Raw = msgspec.Raw(b"null")


_QUESTION = msgspec.json.Decoder(_Question)
_THINKING = msgspec.json.Decoder(_Thinking)


@frozen(kw_only=True)
class CountTokens:
    """Implements `aibridge_core.providers.api.Translation` for one request."""

    base_url: str
    model: str
    """Whose tokens are counted: a plain name."""
    profile = ""
    edits = True

    def request(self, request: UpstreamRequest) -> UpstreamRequest:
        """Raises MalformedRequest."""
        body = adapted(_countable(request.body), model=self.model, betas=asked_betas(request.headers))
        return runtime_request(
            request,
            base_url=self.base_url,
            model=foundation_model(self.model),
            action="count-tokens",
            body=b'{"input":{"invokeModel":{"body":"%s"}}}' % b64encode(body),
        )

    def answer(self, answer: UpstreamAnswer) -> UpstreamAnswer:
        """The number, or the error, as the Messages API says it."""
        if is_coded(answer.head):
            return answer
        return WholeAnswer(answer, _counted if answer.head.status < 400 else refusal)


def model_of(body: bytes) -> str:
    """The model that a request names. Raises MalformedRequest if it names none."""
    question = try_read(_QUESTION, body)
    if question is None:
        raise MalformedRequest("The request body is not a JSON object.")
    if not isinstance(question.model, str) or not question.model:
        raise MalformedRequest("model: a text is required")
    return question.model


def _countable(body: bytes) -> bytes:
    """With what InvokeModel takes for granted: a limit above what may be thought, and no empty list of tools."""
    question = try_read(_QUESTION, body) or _Question()
    budget = count_or_none((try_read(_THINKING, question.thinking) or _Thinking()).budget_tokens) or 0
    if (count_or_none(question.max_tokens) or 0) <= budget:
        limit = b"%d" % max(_MAX_TOKENS, budget + 1)
        body = change_members(body, {"max_tokens": lambda _: limit})
    return remove_member(body, "tools") if try_read_any(question.tools) == [] else body


def _counted(head: AnswerHead, body: bytes) -> bytes:
    answer = try_read_any(body)
    tokens = count_or_none(answer.get("inputTokens")) if isinstance(answer, dict) else None
    if tokens is None:
        raise UpstreamBroken("Amazon Bedrock counted tokens, but its answer holds no number of them")
    return b'{"input_tokens":%d}' % tokens
