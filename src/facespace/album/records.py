"""Records of an album: clusters, their faces, and questions about them."""

from dataclasses import dataclass

from facespace.deprecated import Renamed
from facespace.images import Skipped
from facespace.space import Failure


@dataclass(frozen=True)
class AlbumFace:
    """A face of an album.

    number : unique, never reused
    photo : path of the photo it is in
    box : left, top, right, bottom, in pixels of the photo
    membership : probability that the face belongs to its cluster
    """

    number: int
    photo: str
    box: tuple[float, float, float, float]
    membership: float


@dataclass(frozen=True)
class AlbumCluster:
    """A cluster, which should be one person.

    number : stays the same as the cluster grows
    name : from a decision or a gallery, or None
    faces : most typical first; faces to check are last
    cohesion : probability at the mean distance between its faces; 1 for a single face
    """

    number: int
    name: str | None
    faces: tuple[AlbumFace, ...]
    cohesion: float

    @property
    def representative(self) -> AlbumFace:
        """The most typical face."""
        return self.faces[0]

    @property
    def doubtful(self) -> tuple[AlbumFace, ...]:
        """Faces that probably belong elsewhere, the least likely member first."""
        return tuple(face for face in reversed(self.faces) if face.membership < 0.5)


@dataclass(frozen=True)
class MaybeSame:
    """Two clusters that may be one person, represented by their most typical faces.

    a, b : numbers of the faces to show
    clusters : numbers of the two clusters
    probability : that they are the same person
    gain : faces that the answer is expected to connect
    """

    a: int
    b: int
    clusters: tuple[int, int]
    probability: float
    gain: float


@dataclass(frozen=True)
class Added:
    """The result of adding photos.

    photos : number of photos found
    faces : number of faces found in new photos
    known : photos that were in the album and unchanged, including moved ones
    failures : photos left out, and why
    skipped : entries of the folder that were ignored, and why
    moved : moved photos, as (old path, new path)
    missing : photos of the album that no longer exist and are not among those added
    """

    photos: int
    faces: int
    known: int
    failures: tuple[Failure, ...]
    skipped: tuple[Skipped, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()

    passed_over = Renamed("skipped")
