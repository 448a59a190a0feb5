"""Convert networks made elsewhere to model files, and models to int8 (extra `convert`)."""

from facespace.model.convert.imports import import_dlib, import_model, import_onnx
from facespace.model.convert.quantise import quantise

__all__ = ["import_dlib", "import_model", "import_onnx", "quantise"]
