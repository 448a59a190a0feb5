"""Process many photos and write files: tables of faces, training sets."""

from facespace.bulk.harvest import Harvest, Source, describe, harvest, sources_in
from facespace.bulk.sample import calibration_faces, calibration_pieces

__all__ = [
    "Harvest",
    "Source",
    "calibration_faces",
    "calibration_pieces",
    "describe",
    "harvest",
    "sources_in",
]
