"""A model's message as the next turn's request has to repeat it.

Belongs here: putting streamed blocks together again, whole: providers check thinking against its signature. Never:
what is recorded of a message.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""Deltas that add to a text, and the block's member that they add to."""


class History:
    """The content blocks of one message."""

    def __init__(self) -> None:
        self.said: Sequence[bytes] | None = None
        """The blocks as the provider wrote them, if they came in one piece."""
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, list[str]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Take a `content_block_start` or `content_block_delta`; others add nothing."""
        index, block, delta = event.get("index"), event.get("content_block"), event.get("delta")
        if not isinstance(index, int):
            return
        if isinstance(block, Mapping):
            self._blocks[index] = dict(block)
        elif isinstance(delta, Mapping) and index in self._blocks:
            self._extend(index, delta)

    def _extend(self, index: int, delta: Mapping[str, Any]) -> None:
        block, kind = self._blocks[index], delta.get("type")
        if name := _TEXTS.get(str(kind)):
            block[name] = f"{block.get(name) or ''}{delta.get(name) or ''}"
        elif kind == "input_json_delta":
            self._inputs.setdefault(index, []).append(str(delta.get("partial_json") or ""))
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or ()), delta.get("citation")]

    def blocks(self) -> Sequence[bytes]:
        """The content blocks as JSON texts."""
        if self.said is not None:
            return self.said
        for index, pieces in self._inputs.items():
            text = "".join(pieces)
            if text:
                self._blocks[index]["input"] = msgspec.Raw(text.encode())
        # The API refuses empty texts; a model may well begin one and say nothing.
        blocks = (self._blocks[index] for index in sorted(self._blocks))
        return [msgspec.json.encode(block) for block in blocks if block.get("type") != "text" or block.get("text")]
