"""Who are all these people? Faces grouped by distance, without saying how many there are."""

from facespace.cluster.agglomerative import Linkage, agglomerative
from facespace.cluster.people import Clusters, Member, cluster

__all__ = ["Clusters", "Linkage", "Member", "agglomerative", "cluster"]
