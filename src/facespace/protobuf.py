"""Read and edit ONNX files as protobuf messages: fields are read, dropped and appended; the rest stays unchanged.

This reads a model's card, or changes a node of a network, without the onnx package.
"""

from collections.abc import Iterator

from facespace.errors import ModelError

_VARINT, _EIGHT_BYTES, _LENGTH_DELIMITED, _FOUR_BYTES = 0, 1, 2, 5


def fields(message: bytes, where: str) -> Iterator[tuple[int, int, int, int]]:
    """Iterate over the fields of a message: (number, start and end of the content, start of the whole field).

    Raises
    ------
    ModelError
        The message is truncated or damaged; the error names `where`.
    """
    at = 0
    try:
        while at < len(message):
            begin = at
            tag, at = varint(message, at)
            number, kind = tag >> 3, tag & 7
            if kind == _LENGTH_DELIMITED:
                size, at = varint(message, at)
            elif kind == _VARINT:
                _, after = varint(message, at)
                size = after - at
            elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
                size = 8 if kind == _EIGHT_BYTES else 4
            else:
                raise ValueError
            if number == 0 or at + size > len(message):
                raise ValueError
            yield number, at, at + size, begin
            at += size
    except (IndexError, ValueError):
        raise ModelError(f"{where} is not a complete ONNX file: it is damaged at byte {at:,}; get it again") from None


def field(number: int, content: bytes) -> bytes:
    """Encode a field of bytes: a string, a message or an array of numbers."""
    return _encoded(number << 3 | _LENGTH_DELIMITED) + _encoded(len(content)) + content


def varint_field(number: int, value: int) -> bytes:
    """Encode a field that holds one non-negative integer."""
    return _encoded(number << 3 | _VARINT) + _encoded(value)


def varint(message: bytes, at: int) -> tuple[int, int]:
    """Decode the integer at a position; returns it and the position after it."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
