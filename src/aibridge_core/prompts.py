"""What a person said, in a message that a client wrote: clients put context of their own beside it.

Belongs here: how clients mark what is theirs and what is the person's. Never: where an API keeps its texts, or a guess
at text that nothing marks. Only what is recorded is cut; what goes upstream is not looked at.
"""

import re

from attrs import frozen


@frozen
class Aside:
    """A block that a client adds before or behind what a person said: `<tag>...</tag>`."""

    tag: str
    why: str


@frozen
class Frame:
    """A block that a client puts around what a person said."""

    tag: str
    why: str
    after_anything: bool = False
    """Whether other text may stand before it; else it has to be all there is."""


@frozen
class Appendix:
    """Text without an end mark that a client adds behind what a person said, by how it begins."""

    begins: str
    why: str
    behind: str = ""
    """What must stand before it, and stays."""


@frozen
class Preface:
    """Text without an end mark of its own that a client puts before what a person said, up to a heading."""

    begins: tuple[str, ...]
    heading: str
    why: str


ASIDES: tuple[Aside, ...] = (
    Aside(
        "system-reminder", "Claude Code, Qwen Code, OpenCode: rules and changes of files, also behind a tool's result"
    ),
    Aside("system_reminder", "Cursor's and Copilot's spelling of the same"),
    Aside("environment_details", "Kilo Code, Roo Code, Cline's editor: time, folder, open files; the last part of all"),
    Aside("current_datetime", "GitHub Copilot (CLI): the time, before what was typed"),
    Aside("timestamp", "Cursor: the same"),
    Aside("reminder", "GitHub Copilot (CLI): rules, behind what was typed"),
)
"""Tags that people don't write themselves. `context`, `document` and the like are theirs, and stay."""

FRAMES: tuple[Frame, ...] = (
    Frame("user_query", "Cursor"),
    Frame("task", "Cline's editor and Roo Code: the first message"),
    Frame("user_message", "Roo Code: later messages"),
    Frame("session", "Claude Code: of what it wants a title"),
    Frame("userRequest", "GitHub Copilot (VS Code): behind attachments and rules in blocks of many names", True),
)

PREFACES: tuple[Preface, ...] = (
    Preface(
        ("# Context from my IDE setup:", "# Files mentioned by the user:"),
        "\n## My request for Codex:",
        "Codex in an editor and its desktop program: open and attached files",
    ),
)

APPENDICES: tuple[Appendix, ...] = (
    Appendix("# *SEARCH/REPLACE block* Rules:", "aider: rules of its edit format, where a model heeds them most"),
    Appendix("# V4A Diff Format Rules:", "the same, another format"),
    Appendix("# File editing rules:\n\nReturn edits similar to unified diffs", "the same, another format"),
    Appendix("To suggest changes to a file you MUST return the entire content", "the same, another format"),
    Appendix("Write the title in ", "Claude Code: in which language it wants a session's title", "</session>"),
)
"""They begin behind an empty line."""

MOST_ASIDES = 8
"""Most blocks that are taken off each end: a copy of the rest each, so that a text made of blocks costs little."""

_TAGS = "|".join(re.escape(aside.tag) for aside in ASIDES)
_OPENING = re.compile(f"<({_TAGS})>")
_CLOSING = re.compile(rf"</({_TAGS})>\Z")
_LONGEST_TAG = max(len(aside.tag) for aside in ASIDES) + len("</>")


def words_of(text: str) -> str | None:
    """`text` without what a client put around it; as it is, white space too, if it put nothing; None if that is all."""
    said = text.strip()
    bare = _without_appendix(_without_preface(said))
    if bare.startswith("<") or bare.endswith(">"):
        bare = _unmarked(bare)
    return text if bare == said else bare or None


def _without_preface(text: str) -> str:
    for preface in PREFACES:
        if text.startswith(preface.begins) and (at := text.find(preface.heading)) >= 0:
            return text[at + len(preface.heading) :].lstrip()
    return text


def _without_appendix(text: str) -> str:
    for appendix in APPENDICES:
        at = text.rfind(f"{appendix.behind}\n\n{appendix.begins}")
        if at >= 0:
            return text[: at + len(appendix.behind)].rstrip()
    return text


def _unmarked(text: str) -> str:
    bare = _without_asides(text)
    return next((inner for frame in FRAMES if (inner := _framed(bare, frame)) is not None), bare)


def _without_asides(text: str) -> str:
    """Blocks of `ASIDES` off both ends. One that isn't closed stays."""
    for _ in range(MOST_ASIDES):
        shorter = _without_last(_without_first(text))
        if shorter == text:
            break
        text = shorter
    return text


def _without_first(text: str) -> str:
    opening = _OPENING.match(text)
    if opening is None:
        return text
    closing = f"</{opening[1]}>"
    at = text.find(closing)
    return text[at + len(closing) :].lstrip() if at >= 0 else text


def _without_last(text: str) -> str:
    closing = _CLOSING.search(text, max(0, len(text) - _LONGEST_TAG))
    if closing is None:
        return text
    at = text.rfind(f"<{closing[1]}>")
    return text[:at].rstrip() if at >= 0 else text


def _framed(text: str, frame: Frame) -> str | None:
    """What stands in the frame; None if the text isn't framed so."""
    opening, closing = f"<{frame.tag}>", f"</{frame.tag}>"
    if not text.endswith(closing):
        return None
    at = text.rfind(opening)
    if at < 0 or (at and not frame.after_anything):
        return None
    return text[at + len(opening) : -len(closing)].strip()
