"""Encrypting what is secret of a storage. The only module that needs `cryptography`."""

from __future__ import annotations

import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from upshot.blocks._keys import keys_in_force
from upshot.settings import Settings


class Vault:
    """Encrypts with the first of the keys in force, and decrypts with any.

    Args:
        settings: where the keys are.
        make: make a key if there is none.
    """

    def __init__(self, settings: Settings, *, make: bool) -> None:
        self._keys = keys_in_force(settings, make=make)

    def encrypt(self, text: str) -> str:
        """Text that only a key makes readable."""
        return self._fernet().encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str | None:
        """What was encrypted; None if none of the keys fits."""
        try:
            return self._fernet().decrypt(token.encode()).decode() if self._keys else None
        except InvalidToken:
            return None

    def rotate(self, token: str) -> str | None:
        """The same, encrypted with the first key; None if none of the keys fits."""
        text = self.decrypt(token)
        return None if text is None else self.encrypt(text)

    def digest(self, text: str) -> str:
        """What is the same for the same text, and says nothing of it to who has no key."""
        own = hmac.digest(self._keys[0], b"upshot storage identity", "sha256")
        return hmac.digest(own, text.encode(), "sha256").hex()

    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key) for key in self._keys])
