"""Group photos by person, and keep the groups, names and decisions in an album."""

from facespace.album.album import Album
from facespace.album.clusters import Clusters, Member, cluster
from facespace.album.cut import cut_of
from facespace.album.records import Added, AlbumCluster, AlbumFace, MaybeSame
from facespace.album.sheet import check_replaceable, write_sheet
from facespace.album.store import Decision

__all__ = [
    "Added",
    "Album",
    "AlbumCluster",
    "AlbumFace",
    "Clusters",
    "Decision",
    "MaybeSame",
    "Member",
    "check_replaceable",
    "cluster",
    "cut_of",
    "write_sheet",
]
