"""Who are all these people? Faces grouped by distance, without saying how many there are."""

from facespace.cluster.agglomerative import Linkage, agglomerative
from facespace.cluster.people import Clusters, Failure, Member, cluster

__all__ = ["Clusters", "Failure", "Linkage", "Member", "agglomerative", "cluster"]
