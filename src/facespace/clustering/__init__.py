"""Cluster embeddings without knowing the number of clusters: functions on arrays."""

from facespace.clustering.arrange import Arrangement, arrange
from facespace.clustering.threshold import Cut

__all__ = [
    "Arrangement",
    "Cut",
    "arrange",
]
