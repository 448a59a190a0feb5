"""Groups of embeddings, without a given number of groups: arrays in, arrays out."""

from facespace.clustering.agglomerative import Linkage, agglomerative
from facespace.clustering.arrange import Arrangement, arrange
from facespace.clustering.threshold import Cut

__all__ = [
    "Arrangement",
    "Cut",
    "Linkage",
    "agglomerative",
    "arrange",
]
