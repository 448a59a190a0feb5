"""Image to faces: where they are, and each of them cut out as a network wants it."""

from facespace.faces.align import CROPS, Crop
from facespace.faces.detect import DETECTORS, Detections, Detector, WholePhoto
from facespace.faces.find import FaceCrop, find_faces

__all__ = ["CROPS", "DETECTORS", "Crop", "Detections", "Detector", "FaceCrop", "WholePhoto", "find_faces"]
