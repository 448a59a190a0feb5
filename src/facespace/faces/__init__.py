"""Find faces in images, and align each one for the network."""

from facespace.faces.align import CROPS, TEMPLATES, Crop, inverse, mapped, similarity, warp
from facespace.faces.detect import DEFAULT_DETECTOR, DETECTORS, Aligned, WholePhoto, detector_from
from facespace.faces.detection import Detections, Detector, SecondLook
from facespace.faces.draw import draw_faces, scaled
from facespace.faces.find import FaceCrop, find_faces
from facespace.faces.foreign import ForeignDetector
from facespace.faces.mtcnn import Mtcnn
from facespace.faces.one_shot import OneShot
from facespace.faces.pose import pose
from facespace.faces.quality import Quality
from facespace.faces.stream import Finder, Found, default_finder, find_stream, in_order

__all__ = [
    "CROPS",
    "DEFAULT_DETECTOR",
    "DETECTORS",
    "TEMPLATES",
    "Aligned",
    "Crop",
    "Detections",
    "Detector",
    "FaceCrop",
    "Finder",
    "ForeignDetector",
    "Found",
    "Mtcnn",
    "OneShot",
    "Quality",
    "SecondLook",
    "WholePhoto",
    "default_finder",
    "detector_from",
    "draw_faces",
    "find_faces",
    "find_stream",
    "in_order",
    "inverse",
    "mapped",
    "pose",
    "scaled",
    "similarity",
    "warp",
]
