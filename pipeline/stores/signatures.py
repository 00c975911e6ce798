"""Signatures of models and of their compiled trees: that whoever wrote the files also had the key.

HMAC-SHA256 over the job and the digests of the files.  The keys come from the environment and are written nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from pipeline.digests import canonical_json
from pipeline.errors import DeclarationError

ALGORITHM = "hmac-sha256"
MINIMUM_CHARACTERS = 32
"""What 128 random bits need in hexadecimal."""


class SigningKeys:
    """The keys that are accepted; the first of them signs."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Derive what is needed of the keys.

        Raises:
            DeclarationError: a key is too short to be a key.
        """
        for number, key in enumerate(keys, start=1):
            if len(key) < MINIMUM_CHARACTERS:
                raise DeclarationError(
                    f"key {number} of NIGHTJAR_SIGNING_KEY is too short to sign models with",
                    expected=f"{MINIMUM_CHARACTERS} random characters or more",
                    found=f"{len(key)}",
                    next_step="set one that was made by `openssl rand -hex 32`",
                )
        self._keys = {_name_key(key): key.encode() for key in keys}

    def __repr__(self) -> str:
        return f"SigningKeys({', '.join(self.names) or 'none'})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the keys, the signing one first: they tell keys apart, and nothing of the keys."""
        return tuple(self._keys)

    def sign(self, name: str, what: str, **parts: str) -> str:
        """Signature by the key called ``name``.

        Args:
            what: kind of thing that is signed, so that one never passes for another.
            parts: the job, and digests of what is signed.
        """
        message = canonical_json({"signed": what, **parts})
        return hmac.new(self._keys[name], message.encode(), hashlib.sha256).hexdigest()

    def holds(self, signature: bytes, name: str, what: str, **parts: str) -> bool:
        """Whether the key called ``name`` made this signature of these parts."""
        expected = self.sign(name, what, **parts)
        return hmac.compare_digest(expected.encode(), signature.strip())


def _name_key(key: str) -> str:
    """Eight hexadecimal digits; of a random key they give nothing away."""
    return hmac.new(key.encode(), b"nightjar key name", hashlib.sha256).hexdigest()[:8]
