"""Request bodies in JSON, with photos in base64. Error messages never repeat the content of a request."""

import binascii
from typing import Any

from pydantic_core import from_json

from facespace.schemas import InvalidField
from facespace.server.problems import ProblemError
from facespace.server.uploads import Form, Upload, UploadSpec, check_size
from facespace.validation import nearest_name


def read_json(body: list[bytes], spec: UploadSpec, photo_bytes: int) -> Form:
    """Parse photos and other fields from the chunks of a body. The list of chunks is emptied to free memory.

    Raises
    ------
    ProblemError
        The body is not a JSON object, has an unknown field, or a photo is missing, too large or not base64.
    """
    try:
        content = from_json(b"".join(body), allow_inf_nan=False)
    except ValueError as error:
        raise ProblemError("invalid", f"the body is not JSON: {error}") from None
    body.clear()
    if not isinstance(content, dict):
        raise _invalid("", f"the body must be a JSON object with {' and '.join(spec.photos)}")
    known = [*spec.photos, *spec.texts]
    for field in content:
        if field not in known:
            raise _invalid(field[:60], f"unknown field{nearest_name(field[:60], known)}")
    photos = {
        field: _photos(content.pop(field), field, spec.limit, photo_bytes) for field in spec.photos if field in content
    }
    return spec.checked(Form(photos, content))


def _photos(value: Any, field: str, limit: int, photo_bytes: int) -> list[Upload]:
    if limit == 1:
        return [_photo(value, field, photo_bytes)]
    if not isinstance(value, list):
        raise _invalid(field, "must be a list of photos")
    if len(value) > limit:
        raise _invalid(field, f"has {len(value)} photos; the limit is {limit}")
    return [_photo(one, f"{field}.{place}", photo_bytes) for place, one in enumerate(value)]


def _photo(value: Any, field: str, photo_bytes: int) -> Upload:
    name = "photo"
    if isinstance(value, dict):
        if set(value) - {"name", "content"} or not isinstance(value.get("name", ""), str):
            raise _invalid(field, "must be base64, or an object with `content` in base64 and an optional `name`")
        name, value = value.get("name") or name, value.get("content")
    if not isinstance(value, str):
        raise _invalid(field, "must be a photo in base64, as a string")
    if value[:5].lower() == "data:":
        head, comma, value = value.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise _invalid(field, "a data: URL must contain base64, such as data:image/jpeg;base64,...")
    # Command-line tools wrap base64 into lines.
    value = "".join(value.split())
    check_size(3 * len(value) // 4 - value[-2:].count("="), photo_bytes)
    try:
        content = binascii.a2b_base64(value, strict_mode=True)
    except ValueError:  # binascii.Error among them
        raise _invalid(
            field, "is not base64 (RFC 4648 section 4): only A-Z a-z 0-9 + / are allowed, and = at the end"
        ) from None
    if not content:
        raise _invalid(field, "is empty; send the bytes of a photo")
    return Upload(name[:500], content)


def _invalid(field: str, message: str) -> ProblemError:
    where = f"body.{field}" if field else "body"
    return ProblemError("invalid", f"{where}: {message}", errors=[InvalidField(field=where, message=message)])
