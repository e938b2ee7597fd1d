"""The output items of a response: what was thought, said and called.

Belongs here: the items in their final form. Never: their events.
"""

import base64
from collections.abc import Sequence
from typing import Any

from aibridge_adapters.scripted_provider.values import Answer, Part, Stop, Text, Thought, ToolCall, Turn
from aibridge_adapters.scripted_provider.wire import NewId, argument_text, cut_off, takes_text

Json = dict[str, Any]


def output_items(turn: Turn, answer: Answer, new_id: NewId) -> Sequence[Json]:
    """One item for each part of the answer."""
    return [_item(turn, answer, part, new_id) for part in answer.parts]


def _item(turn: Turn, answer: Answer, part: Part, new_id: NewId) -> Json:
    status = "incomplete" if answer.stop is Stop.LENGTH and part is answer.parts[-1] else "completed"
    match part:
        case Text(text, commentary):
            said = {"type": "output_text", "annotations": [], "logprobs": [], "text": cut_off(text, answer, part)}
            phase = "commentary" if commentary else "final_answer"
            return {
                "id": new_id("msg_"), "type": "message", "status": status, "role": "assistant", "content": [said],
                "phase": phase,
            }  # fmt: skip
        case Thought(text):
            summary = [{"type": "summary_text", "text": text}]
            hidden = {"encrypted_content": _encrypted(text)} if _wants_encrypted(turn) else {}
            return {"id": new_id("rs_"), "type": "reasoning", "summary": summary, **hidden}
        case ToolCall(name, _, namespace):
            custom = takes_text(turn, part)
            source = {"input" if custom else "arguments": cut_off(argument_text(part), answer, part)}
            return {
                "id": new_id("ctc_" if custom else "fc_"),
                "type": "custom_tool_call" if custom else "function_call",
                "status": status,
                "call_id": new_id("call_"),
                "name": name,
                **({"namespace": namespace} if namespace else {}),
                **source,
            }


def _wants_encrypted(turn: Turn) -> bool:
    return "reasoning.encrypted_content" in (turn.body.get("include") or ())


def _encrypted(text: str) -> str:
    """Clients send it back untouched; nobody but the provider reads it."""
    return base64.b64encode(b"scripted:" + text.encode()[::-1]).decode()
