"""Encrypts users' tokens, so that a copy of the database is worth nothing without the configuration.

Belongs here: AES-256-GCM (NIST SP 800-38D) and the form of what is kept. Never: where it is kept.

    form 1 byte | key 4 bytes | nonce 12 bytes | ciphertext with its tag

User and server are authenticated with it: what is copied into another's row can't be opened there. Several keys may be
given: the first seals, each opens what it has sealed. Nonces are random, which is safe for 2**32 tokens under one key.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aibridge_adapters.mcp.errors import Unavailable
from aibridge_adapters.mcp.tokens import UserToken
from aibridge_core.tool_credentials import ToolCredential

_FORM: Final = b"\x01"
_KEY_ID: Final = 4
_NONCE: Final = 12
_HEAD: Final = len(_FORM) + _KEY_ID


class Seals:
    """Seals and opens."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys` of 32 bytes, the newest first. Raises ValueError if there is none, or one of another length."""
        if not keys or any(len(key) != 32 for key in keys):
            raise ValueError("at least one key of 32 bytes is needed")
        self._ciphers = {_key_id(key): AESGCM(key) for key in reversed(keys)}
        self._newest = _key_id(keys[0])

    def seal(self, token: UserToken, *, user_id: str, server: str) -> bytes:
        """Sealed with the newest key, another text each time."""
        nonce = os.urandom(_NONCE)
        plain = msgspec.json.encode(token)
        return _FORM + self._newest + nonce + self._ciphers[self._newest].encrypt(nonce, plain, _bound(user_id, server))

    def open(self, credential: ToolCredential) -> UserToken:
        """The token. Raises Unavailable, with words for people."""
        sealed = credential.sealed
        if not sealed.startswith(_FORM):
            raise Unavailable("the user's token is kept in a form that this version doesn't know")
        cipher = self._ciphers.get(sealed[len(_FORM) : _HEAD])
        if cipher is None:
            raise Unavailable("the user's token was sealed with a key that is not in secrets_key any more")
        nonce, text = sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        try:
            plain = cipher.decrypt(nonce, text, _bound(credential.user_id, credential.server))
        except (InvalidTag, ValueError) as error:
            raise Unavailable("the user's token was changed in the database, or belongs to another user") from error
        return msgspec.json.decode(plain, type=UserToken)

    def is_newest(self, credential: ToolCredential) -> bool:
        """Whether it is sealed with the first key."""
        return credential.sealed[len(_FORM) : _HEAD] == self._newest


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"aibridge key id\0" + key).digest()[:_KEY_ID]


def _bound(user_id: str, server: str) -> bytes:
    """Both, so that no other pair gives the same bytes."""
    return msgspec.json.encode(["aibridge tool credential", user_id, server])
