"""Networks made elsewhere as model files of this package, and int8 forms of models (extra `convert`)."""

from facespace.model.convert.imports import import_dlib, import_model, import_onnx
from facespace.model.convert.quantise import quantise

__all__ = ["import_dlib", "import_model", "import_onnx", "quantise"]
