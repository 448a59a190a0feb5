"""Where groups of faces stop merging, as a model's card says."""

from facespace.clustering import Cut
from facespace.errors import ModelError
from facespace.model import DecisionsCard


def cut_of(decisions: DecisionsCard) -> Cut:
    """Return the cut of a model's card.

    Raises
    ------
    ModelError
        The card's cut is for complete linkage, which says nothing about average linkage.
    """
    if decisions.clustering.linkage != "average":
        raise ModelError(
            f"the card has a cut for {decisions.clustering.linkage} linkage, but faces are grouped by average "
            "linkage: measure the cut again (facespace evaluate MODEL --images FOLDER --write-card), or give a "
            "threshold"
        )
    return Cut(
        decisions.clustering.threshold,
        decisions.genuine_pairs / decisions.impostor_pairs,
        tuple((entry.threshold, entry.far) for entry in decisions.thresholds),
        decisions.calibration.slope,
    )
