"""Albums: photos, the people in them, and every decision about them."""

from facespace.album.album import Album
from facespace.album.clusters import Clusters, Member, cluster
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
    "write_sheet",
]
