"""Networks made elsewhere, as model files of this package (extra `convert`)."""

from facespace.convert.imports import import_dlib, import_model, import_onnx

__all__ = ["import_dlib", "import_model", "import_onnx"]
