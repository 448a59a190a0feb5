"""Who are all these people? Faces grouped by distance, without saying how many there are."""

from facespace.cluster.agglomerative import Linkage, agglomerative
from facespace.cluster.album import Album
from facespace.cluster.arrange import Arrangement, arrange
from facespace.cluster.people import Clusters, Member, cluster
from facespace.cluster.records import Added, AlbumCluster, AlbumFace, MaybeSame
from facespace.cluster.sheet import check_replaceable, write_sheet
from facespace.cluster.store import Decision
from facespace.cluster.threshold import Cut

__all__ = [
    "Added",
    "Album",
    "AlbumCluster",
    "AlbumFace",
    "Arrangement",
    "Clusters",
    "Cut",
    "Decision",
    "Linkage",
    "MaybeSame",
    "Member",
    "agglomerative",
    "arrange",
    "check_replaceable",
    "cluster",
    "write_sheet",
]
