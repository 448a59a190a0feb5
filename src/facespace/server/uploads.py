"""What a route wants of a request's body, and what came: photos by field, and other values by field."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facespace.server.problems import Refusal

# The fields that a request may have beside its photos, as OpenAPI describes them.
FIELDS: dict[str, dict[str, Any]] = {
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 500,
        "description": "Name of the person; any Unicode, not blank.",
    },
    "attributes": {"type": "object", "description": "JSON to keep with the person."},
    "least_quality": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Faces of a lower quality are refused.",
    },
    "keep": {
        "type": "boolean",
        "description": "true: store a picture of each face, where the service allows it.",
    },
    "accept_doubtful": {
        "type": "boolean",
        "description": "true: also enrol photos that look like somebody else than the person's others.",
    },
    "face": {
        "type": "integer",
        "minimum": 1,
        "description": "Which face of the photo to enrol: its number, from 1 in reading order, the order of "
        "/v1/faces. For one photo a call; without it the photo must show one face alone.",
    },
}
REQUIRED = ("name",)

_FILE = {"type": "string", "format": "binary", "description": "A photo."}
_BASE64 = {
    "type": "string",
    "contentEncoding": "base64",
    "minLength": 4,
    "description": "A photo in base64 (RFC 4648 section 4), or as a data: URL.",
}
_IN_JSON = {
    "description": "A photo in base64, as it is or with the name of its file.",
    "anyOf": [
        _BASE64,
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 500, "description": "Name of the file, for the answer."},
                "content": _BASE64,
            },
            "required": ["content"],
            "additionalProperties": False,
        },
    ],
}


@dataclass(frozen=True)
class Upload:
    """A photo that was sent: the name it was sent under, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """What a request brought: photos by field, and other values by field; a form's are strings, JSON's any."""

    photos: Mapping[str, list[Upload]]
    texts: Mapping[str, Any]

    def photo(self, field: str) -> bytes:
        """The one photo of a field."""
        return self.photos[field][0].content

    def file(self, field: str, name: str) -> io.BytesIO:
        """The same as an open file, under a name for messages."""
        file = io.BytesIO(self.photo(field))
        file.name = name
        return file


@dataclass(frozen=True)
class Wanted:
    """What a request must bring.

    photos : fields, each with one photo at least
    most : photos of one field at most
    texts : other fields that may be given, of `FIELDS`
    raw : whether the body may be the photo itself
    """

    photos: tuple[str, ...]
    most: int = 1
    texts: tuple[str, ...] = ()
    raw: bool = False

    def described(self) -> dict[str, Any]:
        """As OpenAPI's request body."""
        content = {
            "multipart/form-data": {"schema": self._object(_FILE)},
            "application/json": {"schema": {**self._object(_IN_JSON), "additionalProperties": False}},
        }
        if self.raw:
            content |= {kind: {"schema": _FILE} for kind in ("image/*", "application/octet-stream")}
        return {"required": True, "content": content}

    def checked(self, form: Form) -> Form:
        """A form that has the photos it must have; refused otherwise."""
        for field in self.photos:
            given = len(form.photos.get(field, ()))
            if not given or given > self.most:
                wanted = "one photo" if self.most == 1 else f"1 to {self.most} photos"
                raise Refusal("invalid", f"the request must have {wanted} as {field!r}; {given} given")
        return form

    def _object(self, photo: dict[str, Any]) -> dict[str, Any]:
        several = {"type": "array", "items": photo, "minItems": 1, "maxItems": self.most}
        properties: dict[str, Any] = dict.fromkeys(self.photos, several if self.most > 1 else photo)
        properties |= {name: FIELDS[name] for name in self.texts}
        required = [*self.photos, *(name for name in self.texts if name in REQUIRED)]
        return {"type": "object", "properties": properties, "required": required}


def check_size(size: int, most: int) -> None:
    """Refuse a photo of more than `most` bytes."""
    if size > most:
        raise Refusal("too-large", f"a photo has {size:,} bytes; the limit is {most:,}")
