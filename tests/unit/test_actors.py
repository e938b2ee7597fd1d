"""Secrets are shown only masked."""

import pytest

from aibridge_core.actors import Credential, CredentialKind, mask, without_secrets


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("", ""),
        ("a", "..."),
        ("abcd", "..."),
        ("abcde", "a...e"),
        ("abcdefghi", "a...i"),
        ("abcdefghij", "ab...ij"),
        ("a" * 19, "aa...aa"),
        ("abcd0123456789wxyz01", "abcd...yz01"),
        ("ключ-ключ-ключ-ключ!", "ключ...люч!"),
    ],
)
def test_masks(secret: str, shown: str) -> None:
    """The longer the secret, the more of its ends; counted in characters."""
    assert mask(secret) == shown


def test_a_credential_never_shows_its_secret() -> None:
    """Neither in its repr nor in that of what holds it."""
    credential = Credential(
        kind=CredentialKind.BYOK, header=b"authorization", value=b"Bearer sk-secret-value", secret="sk-secret-value"
    )
    assert "secret-value" not in repr(credential)
    assert credential.hint == "sk...ue"


def test_quoted_secrets_are_masked():
    """Every one, wherever it stands; words that only look like a very short key stay."""
    text = "invalid key: sk-0123456789abcdefghij (sk-0123456789abcdefghij), ask again"
    assert without_secrets(text, ["sk", "sk-0123456789abcdefghij"]) == (
        "invalid key: sk-0...ghij (sk-0...ghij), ask again"
    )
