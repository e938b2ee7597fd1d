"""Reads the facts off a chat completions answer, streamed or not.

Belongs here: chunks, and when an answer is whole. Never: how a call is put together (`choices.py`).
Source: OpenAI's API reference, "Chat completion chunk object".
"""

from collections.abc import Sequence
from typing import Any

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.chat_completions.choices import Choice
from aibridge_core.dialects.chat_completions.chunks import Answer, ChoicePart, read_answer
from aibridge_core.dialects.chat_completions.plain import PlainText
from aibridge_core.dialects.chat_completions.usage import LAYOUT
from aibridge_core.dialects.interceptor import HIDE, LAST, PASS, Verdict
from aibridge_core.dialects.jsontext import text_or
from aibridge_core.dialects.openai_errors import reported, unlike_the_api
from aibridge_core.dialects.openai_usage import token_usage
from aibridge_core.records import Fact
from aibridge_core.sse import SseEvent


class ChatReader:
    """Implements `aibridge_core.dialects.interceptor.AnswerReader`."""

    def __init__(self, *, hide_usage: bool = False) -> None:
        """`hide_usage`: the gateway, not the client, asked for the chunk that holds only the usage."""
        self.response_id = ""
        self.failure: Failed | None = None
        self.complete = False
        self._hide_usage = hide_usage
        self._model = ""
        self._service_tier: Any = None
        self._usage: Any = None
        self._choices: dict[int, Choice] = {}
        self._plain = PlainText()

    def event(self, event: SseEvent) -> Verdict:
        """A chunk, or the mark that ends the stream."""
        data = event.data
        if self._plain.matches(data):
            return PASS
        if data.startswith(b"[DONE]"):
            self.complete = True
            return LAST
        chunk = read_answer(data) if data else None
        if chunk is None:
            return PASS
        if not self._take(chunk, whole=False):
            self._plain.learn(data)
        if chunk.error:
            return LAST  # clients stop reading here
        only_usage = self._hide_usage and chunk.choices == [] and isinstance(chunk.usage, dict)
        return HIDE if only_usage else PASS

    def body(self, data: bytes) -> None:
        """A whole answer."""
        answer = read_answer(data)
        if answer is None:
            self.failure = unlike_the_api("it is not a JSON object")
            return
        self._take(answer, whole=True)
        if self.failure is None and answer.choices is None:
            self.failure = unlike_the_api("it has no choices")

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """Everything read so far, choice by choice, then the usage."""
        found: list[Fact] = []
        for choice in self._choices.values():
            found += choice.thoughts(self.response_id, partial=partial)
            found += choice.calls(self.response_id, partial=partial)
        found += token_usage(
            self._usage,
            LAYOUT,
            response_id=self.response_id,
            model=self._model,
            service_tier=self._service_tier,
            partial=partial and not self.complete,
        )
        return found

    @property
    def finish_reasons(self) -> Sequence[str]:
        """Of the choices that have ended, in their order."""
        return tuple(choice.finish_reason for _, choice in sorted(self._choices.items()) if choice.finished)

    def _take(self, answer: Answer, *, whole: bool) -> bool:
        """Whether there was a fact in it, other than what every chunk of an answer repeats."""
        if not (self.response_id and self._model):
            self.response_id = self.response_id or text_or(answer.id)
            self._model = text_or(answer.model)
        self._service_tier = answer.service_tier or self._service_tier
        if answer.usage is not None and isinstance(answer.usage, dict):
            self._usage = answer.usage  # some providers count up in every chunk: the last one holds
        if answer.error:
            self.failure = reported(answer.error)
        said = bool(answer.usage or answer.error)
        for position, part in enumerate(answer.choices or ()):
            said |= self._choice(part, position, whole=whole)
        return said

    def _choice(self, part: ChoicePart, position: int, *, whole: bool) -> bool:
        """Whether there was a fact in it."""
        said = False
        index = part.index if type(part.index) is int else position
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice()
            self.complete = False
        if delta := part.message if whole else part.delta:
            said = choice.add(delta, whole=whole)
        if part.finish_reason:
            choice.finish_reason = text_or(part.finish_reason, "unknown")
            self.complete = all(choice.finished for choice in self._choices.values())
            said = True
        return said
