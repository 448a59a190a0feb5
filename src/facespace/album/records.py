"""What an album shows: people, their faces, and what to ask about them."""

from dataclasses import dataclass

from facespace.images import PassedOver
from facespace.space import Failure


@dataclass(frozen=True)
class AlbumFace:
    """A face of an album.

    number : given once and never again
    photo : path of the photo it is in
    box : left, top, right, bottom, in pixels of the photo
    membership : probability that it belongs to its cluster
    """

    number: int
    photo: str
    box: tuple[float, float, float, float]
    membership: float


@dataclass(frozen=True)
class AlbumCluster:
    """A person, as far as is known.

    number : stays the same however the cluster grows
    name : as somebody said, or a gallery knows; or None
    faces : the most typical first; those to check are last
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
        """Faces that more likely belong elsewhere, the least likely first."""
        return tuple(face for face in reversed(self.faces) if face.membership < 0.5)


@dataclass(frozen=True)
class MaybeSame:
    """Two clusters that may be one person, by their most typical faces.

    a, b : numbers of the faces to show
    clusters : numbers of the two clusters
    probability : that they are the same
    gain : faces that the answer is expected to bring together
    """

    a: int
    b: int
    clusters: tuple[int, int]
    probability: float
    gain: float


@dataclass(frozen=True)
class Added:
    """What came of adding photos.

    photos : that were to be added
    faces : found in those that were looked at
    known : photos known before and unchanged, moved ones among them
    failures : photos left out, and why
    passed_over : entries of the folder that were not taken, and why
    moved : photos that lie elsewhere than before, as (old path, new path)
    missing : photos of the album that are not where they were, and nowhere among those added
    """

    photos: int
    faces: int
    known: int
    failures: tuple[Failure, ...]
    passed_over: tuple[PassedOver, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
