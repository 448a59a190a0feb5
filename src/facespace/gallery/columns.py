"""What the columns of a gallery hold: embeddings as bytes, JSON as text, encrypted if the gallery has a key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.errors import GalleryError
from facespace.gallery.encryption import Secret
from facespace.gallery.records import KeptFace, Person
from facespace.gallery.sql import Sql

# Columns that `Columns.person` and `Columns.kept` decode.
PERSON = "person.id, person.name, person.attributes, person.created, count(face.id)"
FACE = 'id, person, photo, "left", top, "right", bottom, quality, original, model, created'


@dataclass(frozen=True)
class Columns:
    """Encodes values for the columns of a gallery, and decodes them.

    secret : Secret, or None if the gallery is not encrypted
    where : path or name of the database, for messages
    dimension : of the embeddings
    """

    secret: Secret | None
    where: str
    dimension: int

    def seal(self, value: bytes, column: str) -> bytes:
        """Encrypt, if the gallery has a key."""
        return self.secret.seal(value, column) if self.secret else value

    def unseal(self, value: bytes, column: str) -> bytes:
        """Decrypt, if the gallery has a key."""
        return self.secret.open(bytes(value), column) if self.secret else bytes(value)

    def seal_text(self, value: str, column: str) -> str:
        """Encrypt text to hex, if the gallery has a key."""
        return self.secret.seal(value.encode(), column).hex() if self.secret else value

    def unseal_text(self, value: str, column: str) -> str:
        """Decrypt text, if the gallery has a key."""
        if not self.secret:
            return value
        try:
            return self.secret.open(bytes.fromhex(value), column).decode()
        except ValueError:
            raise GalleryError(f"a value of {column} in {self.where} was changed; restore a backup") from None

    def name_key(self, name: str) -> str:
        """Key by which a name is looked up."""
        return self.secret.mark(name.encode()).hex() if self.secret else name

    def attributes(self, attributes: Mapping[str, Any]) -> str:
        """Encode a person's attributes; GalleryError if they are not JSON."""
        try:
            return self.seal_text(json.dumps(dict(attributes), allow_nan=False), "person.attributes")
        except (TypeError, ValueError) as error:
            raise GalleryError(f"attributes of a person must be JSON: {error}") from None

    def originals(self, embeddings: NDArray[np.float32]) -> list[bytes]:
        """Encode embeddings for the column original."""
        return [self.seal(point.tobytes(), "face.original") for point in embeddings.astype(np.float16)]

    def point(self, original: bytes) -> NDArray[np.float32]:
        """Decode an embedding; GalleryError if it is damaged."""
        content = self.unseal(original, "face.original")
        if len(content) != 2 * self.dimension:
            raise GalleryError(f"{self.where} is damaged: a face has the wrong size; restore a backup")
        return np.frombuffer(content, np.float16).astype(np.float32)

    def code(self, code: bytes) -> NDArray[np.int8]:
        """Decode a quantised template; GalleryError if it is damaged."""
        content = self.unseal(code, "template.code")
        if len(content) != self.dimension:
            raise GalleryError(f"{self.where} is damaged: a template has the wrong size; restore a backup")
        return np.frombuffer(content, np.int8)

    def person(self, row: tuple[Any, ...]) -> Person:
        """Decode the columns `PERSON`."""
        number, name, attributes, created, faces = row
        return Person(
            self.unseal_text(name, "person.name"),
            faces,
            created,
            number,
            json.loads(self.unseal_text(attributes, "person.attributes")),
        )

    def kept(self, row: tuple[Any, ...]) -> KeptFace:
        """Decode the columns `FACE`."""
        number, person, photo, left, top, right, bottom, quality, original, model, created = row
        box = (left, top, right, bottom)
        return KeptFace(
            number, person, self.unseal_text(photo, "face.photo"), box, quality, self.point(original), model, created
        )


def unlock(sql: Sql, secret: Secret | None) -> None:
    """Compare a key with the gallery's; the first process to open a new gallery sets it.

    Raises GalleryError if the keys differ, or only one of the two is encrypted.
    """
    with sql.reading():
        found = sql.run("SELECT value FROM setting WHERE name = 'key'")
        empty = not sql.run("SELECT 1 FROM person LIMIT 1")
    if not found and (secret is None or empty) and not sql.read_only:
        mark = secret.mark(b"facespace").hex() if secret else "none"
        with sql.writing("open"):
            sql.run("INSERT INTO setting (name, value) VALUES ('key', ?) ON CONFLICT DO NOTHING", (mark,))
            found = sql.run("SELECT value FROM setting WHERE name = 'key'")
    known = found[0][0] if found else "none"
    if known == "none" and secret is not None:
        raise GalleryError(
            f"{sql.where} is not encrypted, but a key was given; export it and import it into an encrypted one"
        )
    if known != "none" and secret is None:
        raise GalleryError(f"{sql.where} is encrypted; give its key in a file or in FACESPACE_GALLERY_KEY")
    if secret is not None and known != secret.mark(b"facespace").hex():
        raise GalleryError(f"{sql.where} is encrypted with another key; give that one")
