"""Check what people type about a person: the name and the attributes."""

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from facespace.errors import GalleryError


def clean_name(name: str) -> str:
    """Normalise the spelling of a name, because the same letters can be encoded in several ways."""
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise GalleryError("a name must not be blank")
    try:
        cleaned.encode()
    except UnicodeEncodeError:
        raise GalleryError(f"the name {cleaned!r} is not valid Unicode; type it again") from None
    return cleaned


def as_attributes(text: str | None) -> Mapping[str, Any] | None:
    """Parse a person's attributes from JSON text; GalleryError if it is not a JSON object."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise GalleryError(f"attributes must be a JSON object, such as '{{\"team\": 3}}': {error}") from None
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise GalleryError("attributes contain a lone surrogate, which is not valid Unicode") from None
    if not isinstance(found, dict):
        raise GalleryError("attributes must be a JSON object, such as '{\"team\": 3}'")
    return found
