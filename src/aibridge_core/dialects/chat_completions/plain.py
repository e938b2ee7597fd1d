"""Recognises chunks that only hold more of the answer's text, without decoding them.

Belongs here: comparing bytes. Never: what a fact is.

Chat completions chunks carry no type, so that each would have to be decoded to learn that it says nothing. But those of
one stream are made from one template: where one said nothing, another that differs from it in nothing but a text says
nothing either.
"""

import re

_TEXT = re.compile(rb'"content":\s*"([^"\\]*)"')
_QUOTE = ord('"')
_ESCAPE = b"\\"
_TRIES = 16
"""How many templates are looked at: some providers put something random into every chunk, and then none is of use."""


class PlainText:
    """The template of the last chunk that was found to say nothing."""

    def __init__(self) -> None:
        self._before = self._after = b""
        self._text = slice(0)
        self._least = 0
        self._tries = _TRIES

    def matches(self, data: bytes) -> bool:
        """Whether a chunk is that one with another text. A text that holds a quotation mark may not be found to be."""
        if not self._least or not data.startswith(self._before) or not data.endswith(self._after):
            return False
        text = data[self._text]
        # An escape before the mark that ends the text would make it part of the text.
        return len(data) >= self._least and _QUOTE not in text and text[-1:] != _ESCAPE

    def learn(self, data: bytes) -> None:
        """A chunk says nothing."""
        if self._tries and (found := _TEXT.search(data)):
            self._tries -= 1
            self._before, self._after = data[: found.start(1)], data[found.end(1) :]
            self._text = slice(len(self._before), -len(self._after))
            self._least = len(self._before) + len(self._after)
