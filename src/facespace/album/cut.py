"""Where groups of faces stop merging, as a model's card says."""

from facespace.clustering import Cut
from facespace.errors import ModelError
from facespace.model import DecisionsCard


def cut_of(decisions: DecisionsCard) -> Cut:
    """The cut that a model's card gives.

    Raises
    ------
    ModelError
        The card's cut is one of complete linkage, which says nothing about average linkage.
    """
    if decisions.clustering.linkage != "average":
        raise ModelError(
            f"the card says where to cut {decisions.clustering.linkage} linkage, and faces are grouped by average "
            "linkage: measure the cut again (facespace evaluate MODEL --images FOLDER --write-card), or give a "
            "threshold"
        )
    return Cut(
        decisions.clustering.threshold,
        decisions.genuine_pairs / decisions.impostor_pairs,
        tuple((entry.threshold, entry.far) for entry in decisions.thresholds),
        decisions.calibration.slope,
    )
