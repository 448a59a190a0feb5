"""Uploads: the photos and fields of a request, read within limits and never written to disk.

A request sends them as a form (multipart/form-data) or as JSON with photos in base64. A single photo without other
fields can also be the whole body. A route gets the same `Form` in each case.
"""

import asyncio
import io
import time
from collections.abc import AsyncGenerator

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Message

from facespace.server.base64_body import read_json
from facespace.server.problems import ProblemError
from facespace.server.queue import deadline
from facespace.server.uploads import Form, Upload, UploadSpec, check_size

# Content types of a photo as a raw body. The real format is detected from its bytes.
RAW = ("image/", "application/octet-stream")

# Maximum size of a body without photos, in bytes: enough to search for the maximum number of embeddings.
JSON_BYTES = 16 << 20


def named(upload: Upload) -> io.BytesIO:
    """Return a photo as an open file with its name."""
    file = io.BytesIO(upload.content)
    file.name = upload.name
    return file


async def read_form(
    request: Request, spec: UploadSpec, photo_bytes: int, request_bytes: int, json_bytes: int | None = None
) -> Form:
    """Read the body of a request.

    Parameters
    ----------
    request : Request
    spec : UploadSpec
    photo_bytes, request_bytes : int
        Maximum size of one photo and of the whole body.
    json_bytes : int or None
        Maximum size of a JSON body, of which several copies are in memory. Default: `request_bytes`.

    Raises
    ------
    ProblemError
        The body is too large, has an unsupported type, cannot be parsed, or lacks a required photo.
    """
    try:
        async with asyncio.timeout(max(0.0, deadline.get() - time.monotonic())):
            kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind == "application/json":
                body = [chunk async for chunk in limited(request, min(request_bytes, json_bytes or request_bytes))]
                # Decode in a thread: megabytes of JSON would block every other request.
                return await asyncio.to_thread(read_json, body, spec, photo_bytes)
            return await _read_form(request, kind, spec, photo_bytes, request_bytes)
    except TimeoutError:
        raise ProblemError("slow", "the request body was not received before the deadline") from None


async def _read_form(request: Request, kind: str, spec: UploadSpec, photo_bytes: int, request_bytes: int) -> Form:
    if spec.raw and kind.startswith(RAW):
        content = b"".join([chunk async for chunk in limited(request, photo_bytes)])
        if not content:
            raise ProblemError("invalid", "the body is empty; send the bytes of a photo")
        return Form({spec.photos[0]: [Upload("photo", content)]}, {})
    fields = " and ".join(spec.photos)
    if kind != "multipart/form-data":
        also = ", or the photo itself as image/jpeg (image/png, ...)" if spec.raw else ""
        raise ProblemError(
            "media-type", f"send {fields} as multipart/form-data, or in base64 as application/json{also}"
        )
    parser = MultiPartParser(
        request.headers,
        limited(request, request_bytes),
        max_files=len(spec.photos) * spec.limit,
        max_fields=len(spec.texts),
        max_part_size=1 << 16,
    )
    # Larger parts would be spooled to a file, and uploads are never written to disk.
    parser.spool_max_size = request_bytes
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:
        raise ProblemError("invalid", f"the form cannot be read: {error}") from None
    photos: dict[str, list[Upload]] = {}
    texts: dict[str, str] = {}
    for field, value in form.multi_items():
        if isinstance(value, UploadFile) and field in spec.photos:
            content = await value.read()
            await value.close()
            check_size(len(content), photo_bytes)
            photos.setdefault(field, []).append(Upload(value.filename or "photo", content))
        elif isinstance(value, str) and field in spec.texts:
            texts[field] = value
        else:
            raise ProblemError("invalid", f"unknown form field {field[:60]!r}, or it cannot be a {_kind_of(value)}")
    return spec.checked(Form(photos, texts))


def bounded(request: Request, limit: int) -> Request:
    """Return the request with a body that raises 413 beyond `limit` bytes, and 408 at the deadline."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise ProblemError("too-large", f"the request has {int(length):,} bytes; the limit is {limit:,}")
    read = 0

    async def receive() -> Message:
        nonlocal read
        try:
            async with asyncio.timeout(max(0.0, deadline.get() - time.monotonic())):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(408, "the request body was not received before the deadline") from None
        read += len(message.get("body", b""))
        if read > limit:
            raise HTTPException(413, f"the request is larger than the limit of {limit:,} bytes")
        return message

    return Request(request.scope, receive)


async def limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body in chunks. A body of more than `limit` bytes is rejected, early if its Content-Length says so."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise ProblemError("too-large", f"the request has {int(length):,} bytes; the limit is {limit:,}")
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > limit:
            raise ProblemError("too-large", f"the request is larger than the limit of {limit:,} bytes")
        yield chunk


def _kind_of(value: object) -> str:
    return "file" if isinstance(value, UploadFile) else "text"
