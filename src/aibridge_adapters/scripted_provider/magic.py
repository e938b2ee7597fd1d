"""The default script: the last user prompt decides, by magic words in it.

Belongs here: what a scripted model says and which tool it calls. Never: the words (plan), or the form of an API.
"""

import re
from collections.abc import Sequence

from aibridge_adapters.scripted_provider.arguments import arguments_for, example
from aibridge_adapters.scripted_provider.plan import Plan, planned
from aibridge_adapters.scripted_provider.values import (
    Answer,
    Fault,
    HttpFailure,
    OfferedTool,
    Part,
    Stop,
    Text,
    Thought,
    ToolCall,
    Turn,
)
from aibridge_adapters.scripted_provider.wire import to_json

_QUOTED = 60
"""How much of a prompt or a tool result an answer quotes, in characters."""

_HARMLESS_TOOLS: Sequence[tuple[str, str]] = (
    (
        r"^(bash|exec|exec_command|shell|shell_command|local_shell|run_command|run_terminal_cmd|execute_command)$",
        "it runs what `arguments` says: an echo, which changes nothing and works in any directory",
    ),
    (r"^(read|view|cat)|read_file", "reading a file changes nothing"),
    (r"glob|grep|search|^list|^ls$|^get|weather", "neither does looking around"),
)
"""Names of tools that a real agent may be told to run, most welcome first; else the first tool that is offered."""

_RETRYABLE = (429, 503, 529)


def magic_words(turn: Turn) -> Answer | HttpFailure:
    """The script of the table `plan.MAGIC_WORDS`: a tool call if any is offered, text when its result is back."""
    plan = planned(turn.prompt)
    fails = not plan.once or turn.attempt == 1
    if plan.status and fails:
        retry_after = 1 if plan.status in _RETRYABLE else None
        return HttpFailure(
            status=plan.status, message=f"The scripted provider was asked for {plan.status}.", retry_after=retry_after
        )
    return Answer(
        parts=_parts(turn, plan),
        stop=plan.stop,
        fault=plan.fault if fails else Fault.NONE,
        wait=plan.wait,
        pace=plan.pace,
    )


def _parts(turn: Turn, plan: Plan) -> Sequence[Part]:
    calls = _calls(turn, plan)
    thoughts = [_thought(turn, calls)] if plan.think or turn.wants_thoughts else []
    if not calls:
        return [*thoughts, Text(_final_text(turn, plan))]
    names = " and ".join(dict.fromkeys(call.name for call in calls))
    return [*thoughts, Text(f"Let me use {names}.", commentary=True), *calls]


def _calls(turn: Turn, plan: Plan) -> Sequence[ToolCall]:
    wanted = turn.rounds < plan.steps and turn.output_schema is None
    if not turn.tools or not (turn.must_call or (wanted and plan.calls)):
        return ()
    named = [tool for tool in turn.tools if tool.name == plan.tool]
    ranked = named or sorted(turn.tools, key=_rank)
    number = max(1, plan.calls) if turn.parallel_calls else 1
    return [
        ToolCall(tool.name, arguments_for(tool), tool.namespace)
        for tool in (ranked[i % len(ranked)] for i in range(number))
    ]


def _rank(tool: OfferedTool) -> int:
    ranks = (rank for rank, (pattern, _) in enumerate(_HARMLESS_TOOLS) if re.search(pattern, tool.name, re.IGNORECASE))
    return next(ranks, len(_HARMLESS_TOOLS))


def _thought(turn: Turn, calls: Sequence[ToolCall]) -> Thought:
    if calls:
        return Thought(f"The user wants something done. {calls[0].name} will tell me what I need to know.")
    return Thought("I have what I need." if turn.tool_results else "I can answer this at once.")


def _final_text(turn: Turn, plan: Plan) -> str:
    if turn.output_schema is not None:
        return to_json(example(turn.output_schema)).decode()
    if plan.text:
        return plan.text
    if plan.stop is Stop.REFUSAL:
        return "I can't help with that."
    if turn.tool_results:
        return f"Done. The tool said: {_quote(turn.tool_results[-1])}"
    return f"This is the scripted provider; no model is at work. You said: {_quote(turn.prompt)}"


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:_QUOTED]}…”" if len(line) > _QUOTED else f"“{line}”"
