"""Upload specs, which describe the body of a request, and parsed uploads: photos and other values by field."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facespace.server.problems import ProblemError

# Fields other than photos, as OpenAPI schemas.
FIELDS: dict[str, dict[str, Any]] = {
    "name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 500,
        "description": "Name of the person: any Unicode, not blank.",
    },
    "attributes": {"type": "object", "description": "JSON object to store with the person."},
    "min_quality": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Reject faces of lower quality.",
    },
    "least_quality": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "deprecated": True,
        "description": "Deprecated: use `min_quality`.",
    },
    "keep": {
        "type": "boolean",
        "description": "Store a thumbnail of each face, if the service allows it.",
    },
    "accept_doubtful": {
        "type": "boolean",
        "description": "Also enrol photos that look like somebody else.",
    },
    "face": {
        "type": "integer",
        "minimum": 1,
        "description": "Number of the face to enrol, from 1 in reading order, as in /v1/faces. Needs a request "
        "with one photo. Without it, each photo must show exactly one face.",
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
    "description": "A photo in base64, or an object with the photo and its file name.",
    "anyOf": [
        _BASE64,
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 500, "description": "File name, repeated in the response."},
                "content": _BASE64,
            },
            "required": ["content"],
            "additionalProperties": False,
        },
    ],
}


@dataclass(frozen=True)
class Upload:
    """An uploaded photo: its file name and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """The parsed body of a request: photos by field, and other values by field (strings in forms, any type in JSON)."""

    photos: Mapping[str, list[Upload]]
    texts: Mapping[str, Any]

    def photo(self, field: str) -> bytes:
        """Return the single photo of a field."""
        return self.photos[field][0].content

    def file(self, field: str, name: str) -> io.BytesIO:
        """Return the single photo of a field as an open file, with a name for error messages."""
        file = io.BytesIO(self.photo(field))
        file.name = name
        return file


@dataclass(frozen=True)
class UploadSpec:
    """An upload spec: the fields of a request body.

    photos : required fields, each with at least one photo
    limit : maximum number of photos per field
    texts : other fields, of `FIELDS`
    raw : whether the whole body can be the photo
    """

    photos: tuple[str, ...]
    limit: int = 1
    texts: tuple[str, ...] = ()
    raw: bool = False

    def described(self) -> dict[str, Any]:
        """Return the request body for OpenAPI."""
        content = {
            "multipart/form-data": {"schema": self._object(_FILE)},
            "application/json": {"schema": {**self._object(_IN_JSON), "additionalProperties": False}},
        }
        if self.raw:
            content |= {kind: {"schema": _FILE} for kind in ("image/*", "application/octet-stream")}
        return {"required": True, "content": content}

    def checked(self, form: Form) -> Form:
        """Return the form. Raises if a required photo is missing, or if there are too many."""
        for field in self.photos:
            given = len(form.photos.get(field, ()))
            if not given or given > self.limit:
                expected = "one photo" if self.limit == 1 else f"1 to {self.limit} photos"
                raise ProblemError(
                    "invalid", f"the request must have {expected} in the field {field!r}, but has {given}"
                )
        return form

    def _object(self, photo: dict[str, Any]) -> dict[str, Any]:
        several = {"type": "array", "items": photo, "minItems": 1, "maxItems": self.limit}
        properties: dict[str, Any] = dict.fromkeys(self.photos, several if self.limit > 1 else photo)
        properties |= {name: FIELDS[name] for name in self.texts}
        required = [*self.photos, *(name for name in self.texts if name in REQUIRED)]
        return {"type": "object", "properties": properties, "required": required}


def check_size(size: int, limit: int) -> None:
    """Raise if a photo has more than `limit` bytes."""
    if size > limit:
        raise ProblemError("too-large", f"a photo has {size:,} bytes; the limit is {limit:,}")
