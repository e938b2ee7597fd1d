"""The text of tokens."""

import re
from hashlib import sha256

import pytest

from aibridge_adapters.identity.tokens import NewToken, digest_of, new_token, same_digest, token_id_of
from aibridge_core.testing.clock import FakeClock


def _token() -> NewToken:
    return new_token(user_id="u1", name="laptop", created_at=FakeClock().now())


def test_a_token_is_one_word_with_its_public_id_inside() -> None:
    """A double click selects all of it, and the id alone tells tokens apart."""
    made = _token()

    assert re.fullmatch(r"aib_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}", made.text)
    assert token_id_of(made.text) == made.token.id


def test_the_secret_has_256_bits() -> None:
    """43 characters of 62 are more than 256 bits."""
    assert 62 ** len(_token().text.split("_")[2]) > 2**256


def test_only_the_hash_of_the_whole_text_is_kept() -> None:
    """Neither a record of the token nor the repr of a new one gives the text away."""
    made = _token()

    assert made.token.digest == sha256(made.text.encode()).digest()
    assert made.text.split("_")[2] not in repr(made)
    assert made.text.split("_")[2] not in repr(made.token)


def test_tokens_differ() -> None:
    """A thousand tokens, a thousand ids and secrets."""
    texts = [_token().text for _ in range(1000)]

    assert len({text.split("_")[1] for text in texts}) == len({text.split("_")[2] for text in texts}) == 1000


@pytest.mark.parametrize(
    "text",
    ["", "aib", "sk-ant-api03-abc", "aib_short_x", "aib_0123456789_" + "a" * 42, "aib_0123456789_" + "a" * 44,
     "aib_0123456789_" + "a" * 42 + "é", " aib_0123456789_" + "a" * 43, "aib_0123456789_" + "a" * 43 + "\n",
     "aib_012345678９_" + "a" * 43],
)  # fmt: skip
def test_other_texts_hold_no_id(text: str) -> None:
    """Only the exact shape is a token."""
    assert token_id_of(text) is None


def test_any_text_has_a_digest() -> None:
    """A strange header value is refused like any other, never an error."""
    assert not same_digest(digest_of("\ud800\x00é"), digest_of("\ud801\x00é"))
