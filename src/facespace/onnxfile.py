"""Read and write the metadata of an ONNX file without an ONNX library.

ONNX is a protobuf message, and protobuf fields can be read, dropped and appended without understanding the rest, so a
network is never re-encoded: only the metadata entry changes. docs/decisions/002-model-file.md.
"""

import hashlib

from facespace.errors import ModelError
from facespace.protobuf import field, fields

# Field numbers of onnx.ModelProto, and of its metadata entries (StringStringEntryProto).
_GRAPH, _METADATA = 7, 14
_KEY, _VALUE = 1, 2


def weights_sha256(onnx: bytes, where: str = "the model") -> str:
    """Hex sha256 of the network (graph and weights), independent of the metadata.

    Raises
    ------
    ModelError
        The file is not ONNX.
    """
    graphs = [onnx[start:end] for number, start, end, _ in fields(onnx, where) if number == _GRAPH]
    if not graphs:
        raise ModelError(f"{where} has no network; export one with: facespace export")
    return hashlib.sha256(b"".join(graphs)).hexdigest()


def metadata(onnx: bytes, key: str, where: str) -> bytes | None:
    """Return the value of a metadata key of an ONNX file; None if the key does not exist."""
    for number, start, end, _ in fields(onnx, where):
        if number == _METADATA:
            own, value = _entry(onnx[start:end])
            if own == key:
                return value
    return None


def with_metadata(onnx: bytes, key: str, value: bytes) -> bytes:
    """The same ONNX file with this value under this key, in place of any other."""
    kept = [
        onnx[begin:end]
        for number, start, end, begin in fields(onnx, "the model")
        if not (number == _METADATA and _entry(onnx[start:end])[0] == key)
    ]
    entry = field(_KEY, key.encode()) + field(_VALUE, value)
    return b"".join([*kept, field(_METADATA, entry)])


def _entry(message: bytes) -> tuple[str, bytes]:
    parts = {number: message[start:end] for number, start, end, _ in fields(message, "the metadata")}
    return parts.get(_KEY, b"").decode("utf-8", "replace"), parts.get(_VALUE, b"")
