"""Image to faces: where they are, and each of them cut out as a network wants it."""

from facespace.faces.align import CROPS, TEMPLATES, Crop, inverse, mapped, similarity, warp
from facespace.faces.detect import DETECTORS, Aligned, WholePhoto
from facespace.faces.detection import Detections, Detector
from facespace.faces.find import FaceCrop, find_faces
from facespace.faces.mtcnn import Mtcnn

__all__ = [
    "CROPS",
    "DETECTORS",
    "TEMPLATES",
    "Aligned",
    "Crop",
    "Detections",
    "Detector",
    "FaceCrop",
    "Mtcnn",
    "WholePhoto",
    "find_faces",
    "inverse",
    "mapped",
    "similarity",
    "warp",
]
