"""Encryption at rest: names, photos and embeddings are encrypted with AES-GCM, by a key that the gallery never stores.

Numbers of people and faces, boxes, qualities, times and the audit log, which has no names, stay readable.
Needs the extra `encryption`.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

from facespace.errors import GalleryError
from facespace.textfile import read_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_VARIABLE = "FACESPACE_GALLERY_KEY"
KEY_BYTES = 32
_NONCE_BYTES = 12


class Secret:
    """A 256-bit key and the operations with it.

    Each value is encrypted with its own nonce and bound to its column, so it cannot be decrypted as another column.
    """

    def __init__(self, key: bytes):
        if len(key) != KEY_BYTES:
            raise GalleryError(f"a gallery's key must have {KEY_BYTES} bytes, not {len(key)}; create one with: {_HOW}")
        self._cipher = _aesgcm(hashlib.sha256(b"facespace seal" + key).digest())
        self._mark = hashlib.sha256(b"facespace mark" + key).digest()

    def seal(self, value: bytes, column: str) -> bytes:
        """Encrypt; the nonce is prepended."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, column.encode())

    def open(self, sealed: bytes, column: str) -> bytes:
        """Decrypt; GalleryError if the key is wrong or the value was changed."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], column.encode())
        except (InvalidTag, ValueError):
            raise GalleryError(
                f"a value of {column} cannot be decrypted: the key is wrong, or the gallery was changed; give the key "
                "it was made with, or restore a backup"
            ) from None

    def mark(self, value: bytes) -> bytes:
        """Keyed hash (HMAC-SHA256): equal for equal values, and meaningless without the key."""
        return hmac.digest(self._mark, value, "sha256")


def read_key(file: str | os.PathLike[str] | None = None) -> Secret | None:
    """Read a key from a file, or else from the environment variable FACESPACE_GALLERY_KEY; None if neither is set.

    The key is the base64 of 32 bytes, as `new_key` returns it.

    Raises
    ------
    GalleryError
        The file cannot be read, or has no valid key.
    """
    if file is not None:
        try:
            text, where = read_text(file), os.fspath(file)
        except (OSError, UnicodeDecodeError) as error:
            raise GalleryError(f"cannot read the key in {file}: {error}; create one with: {_HOW}") from None
    elif KEY_VARIABLE in os.environ:
        text, where = os.environ[KEY_VARIABLE], KEY_VARIABLE
    else:
        return None
    try:
        return Secret(base64.b64decode(text.strip(), validate=True))
    except binascii.Error:
        raise GalleryError(f"{where} is not a key in base64; create one with: {_HOW}") from None


def new_key() -> str:
    """Generate a random key, in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def write_key(path: str | os.PathLike[str]) -> None:
    """Write a new key to a new file that only its owner can read; GalleryError if the file exists."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(new_key() + "\n")
    except OSError as error:
        raise GalleryError(f"cannot write a key to {path}: {error.strerror}; name a new file") from None


_HOW = "facespace gallery key FILE"


def _aesgcm(key: bytes) -> "AESGCM":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise GalleryError(
            "an encrypted gallery needs the package cryptography, which is not installed: "
            "pip install 'facespace[encryption]'"
        ) from None
    return AESGCM(key)
