"""Convert networks made elsewhere to model files, and models to int8 (extra `convert`)."""

from facespace.convert.imports import import_dlib, import_model, import_onnx
from facespace.convert.quantise import calibration_faces, quantise

__all__ = ["calibration_faces", "import_dlib", "import_model", "import_onnx", "quantise"]
