"""Many photos to files: the faces of whole folders, tables, training sets."""

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
