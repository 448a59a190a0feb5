"""Process many photos and write files: tables of faces, training sets."""

from facespace.bulk.harvest import Harvest, Source, describe, harvest, sources_in
from facespace.bulk.sample import calibration_faces

__all__ = [
    "Harvest",
    "Source",
    "calibration_faces",
    "describe",
    "harvest",
    "sources_in",
]
