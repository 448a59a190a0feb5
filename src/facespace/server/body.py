"""Uploads: photos and fields of a request, read within limits and never put on disk."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from facespace.server.desk import deadline
from facespace.server.problems import Refusal

# Types that a photo may have as a raw body; what it really is, is seen from its bytes.
RAW = ("image/", "application/octet-stream")


@dataclass(frozen=True)
class Upload:
    """A photo that was sent: the name it was sent under, and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """What a request brought: photos by field, and texts by field."""

    photos: Mapping[str, list[Upload]]
    texts: Mapping[str, str]

    def photo(self, field: str) -> bytes:
        """The one photo of a field."""
        return self.photos[field][0].content

    def file(self, field: str, name: str) -> io.BytesIO:
        """The same as an open file, under a name for messages."""
        return named(Upload(name, self.photo(field)))


@dataclass(frozen=True)
class Wanted:
    """What a request must bring.

    photos : fields, each with one photo at least
    most : photos of one field at most
    texts : fields that may be given
    raw : whether the body may be the photo itself
    """

    photos: tuple[str, ...]
    most: int = 1
    texts: tuple[str, ...] = ()
    raw: bool = False

    def described(self) -> dict[str, Any]:
        """As OpenAPI's request body."""
        one = {"type": "string", "format": "binary", "description": "A photo."}
        several = {"type": "array", "items": one, "minItems": 1, "maxItems": self.most}
        fields: dict[str, Any] = dict.fromkeys(self.photos, several if self.most > 1 else one)
        fields |= {name: {"type": "string", "description": _TEXTS[name]} for name in self.texts}
        required = [*self.photos, *(name for name in self.texts if name == "name")]
        content: dict[str, Any] = {
            "multipart/form-data": {"schema": {"type": "object", "properties": fields, "required": required}}
        }
        if self.raw:
            content |= {kind: {"schema": one} for kind in ("image/*", "application/octet-stream")}
        return {"required": True, "content": content}


_TEXTS = {
    "name": "Name of the person; any Unicode, not blank.",
    "attributes": "A JSON object to keep with the person.",
    "least_quality": "Faces of a lower quality are refused, 0 to 1.",
    "keep": "true: store a picture of each face, where the service allows it.",
    "accept_doubtful": "true: enrol also photos that look like somebody else.",
}


def named(upload: Upload) -> io.BytesIO:
    """A photo as an open file that has its name."""
    file = io.BytesIO(upload.content)
    file.name = upload.name
    return file


async def read_form(request: Request, wanted: Wanted, photo_bytes: int, request_bytes: int) -> Form:
    """Read what a request brings.

    Raises
    ------
    Refusal
        Too large, of another type, damaged, or without a photo that it must have.
    """
    try:
        async with asyncio.timeout(max(0.0, deadline.get() - time.monotonic())):
            return await _read_form(request, wanted, photo_bytes, request_bytes)
    except TimeoutError:
        raise Refusal("slow", "the request did not arrive before its deadline") from None


async def _read_form(request: Request, wanted: Wanted, photo_bytes: int, request_bytes: int) -> Form:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if wanted.raw and kind.startswith(RAW):
        content = b"".join([chunk async for chunk in limited(request, photo_bytes)])
        if not content:
            raise Refusal("invalid", "the body is empty; send the bytes of a photo")
        return Form({wanted.photos[0]: [Upload("photo", content)]}, {})
    if kind != "multipart/form-data":
        also = ", or the photo itself as image/jpeg (image/png, ...)" if wanted.raw else ""
        raise Refusal("media-type", f"send multipart/form-data with {' and '.join(wanted.photos)}{also}")
    fields = len(wanted.texts)
    parser = MultiPartParser(
        request.headers,
        limited(request, request_bytes),
        max_files=len(wanted.photos) * wanted.most,
        max_fields=fields,
        max_part_size=1 << 16,
    )
    # What is larger would go to a file, and uploads are never put on disk.
    parser.spool_max_size = request_bytes
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        raise Refusal("invalid", f"the form cannot be read: {error}") from None
    photos: dict[str, list[Upload]] = {}
    texts: dict[str, str] = {}
    for field, value in form.multi_items():
        if isinstance(value, UploadFile) and field in wanted.photos:
            photos.setdefault(field, []).append(Upload(value.filename or "photo", await _content(value, photo_bytes)))
        elif isinstance(value, str) and field in wanted.texts:
            texts[field] = value
        else:
            raise Refusal("invalid", f"a form field {field[:60]!r} is not known here, or not as a {_other(value)}")
    for field in wanted.photos:
        given = len(photos.get(field, ()))
        if not given or given > wanted.most:
            raise Refusal(
                "invalid", f"the form must have {wanted.most} {field!r} at most, and one at least: {given} given"
            )
    return Form(photos, texts)


async def limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in chunks; refused when it passes `most` bytes, at once where it says so before."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise Refusal("too-large", f"the request has {int(told):,} bytes, more than the {most:,} that are taken")
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > most:
            raise Refusal("too-large", f"the request has more than the {most:,} bytes that are taken")
        yield chunk


async def _content(upload: UploadFile, most: int) -> bytes:
    content = await upload.read()
    await upload.close()
    if len(content) > most:
        raise Refusal("too-large", f"a photo has {len(content):,} bytes, more than the {most:,} that are taken")
    return content


def _other(value: object) -> str:
    return "file" if isinstance(value, UploadFile) else "text"
