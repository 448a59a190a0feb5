"""Convert networks made elsewhere to model files, and models and detectors to int8 (extra `convert`)."""

from facespace.model.convert.imports import import_dlib, import_model, import_onnx
from facespace.model.convert.quantise import quantise
from facespace.model.convert.quantise_detector import quantise_detector

__all__ = ["import_dlib", "import_model", "import_onnx", "quantise", "quantise_detector"]
