"""Reads what tests want to know of a Markdown page: its code, its links, its headings.

Belongs here: the Markdown that our own pages use (CommonMark as GitHub shows it). Never: what is true of a page.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from attrs import define, frozen

_FENCE = re.compile(r"^(```+)([^\n`]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}[^\n]*\n)+", re.MULTILINE)
_CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@frozen
class Block:
    """A fenced block of code."""

    language: str
    """First word after the fence."""
    marks: tuple[str, ...]
    """The other words."""
    text: str
    line: int
    """Of its first line of code."""


@define(slots=False)
class Page:
    """One Markdown file."""

    path: Path

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """Without fenced code."""
        return _FENCE.sub("", self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        """Fenced code, in order."""
        return list(self._blocks())

    @cached_property
    def indented(self) -> list[str]:
        """Code that is marked by four blanks, without them; continued list items look the same and count too."""
        return [re.sub(r"^ {4}", "", found, flags=re.MULTILINE) for found in _INDENTED.findall(self.prose)]

    @cached_property
    def code_spans(self) -> list[str]:
        """What stands between backticks in a line."""
        return _CODE_SPAN.findall(self.prose)

    @cached_property
    def links(self) -> list[str]:
        """Targets of links."""
        return _LINK.findall(_CODE_SPAN.sub("", self.prose))

    @cached_property
    def anchors(self) -> set[str]:
        """What a link to a part of this page may name, as GitHub makes it from headings."""
        found: list[str] = []
        for heading in _HEADING.findall(self.prose):
            slug = _slug(heading)
            found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
        return set(found)

    def _blocks(self) -> Iterator[Block]:
        for found in _FENCE.finditer(self.text):
            language, *marks = found[2].split() or [""]
            line = self.text.count("\n", 0, found.start(3)) + 1
            yield Block(language=language, marks=tuple(marks), text=found[3], line=line)


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
