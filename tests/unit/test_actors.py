"""Secrets are shown only masked."""

import pytest

from aibridge_core.actors import Credential, CredentialKind, mask


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
