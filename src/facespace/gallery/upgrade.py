"""Move a gallery to another model: re-embed faces from their photos while the gallery stays searchable.

If a photo is missing, the stored picture of the face is used, if there is one: docs/decisions/080.

New embeddings are stored beside the old ones as they are computed, so an upgrade can be interrupted and continued. When
all are there, one transaction replaces the old ones; until then, and after any error, the gallery is unchanged.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from facespace.errors import FacespaceError, GalleryError
from facespace.gallery.encryption import Secret
from facespace.gallery.records import Box, KeptFace
from facespace.gallery.sql import space_of
from facespace.gallery.store import Store, open_store
from facespace.images import path_of
from facespace.model import Card
from facespace.space import Face

# Faces whose new embeddings are synced to disk together.
_BATCH = 16

# Minimum intersection over union between the enrolled face and the face found again.
_SAME_FACE = 0.4


class Embedder(Protocol):
    """What an upgrade needs from a space."""

    @property
    def id(self) -> str:
        """Id of the space."""
        ...

    @property
    def dimension(self) -> int:
        """Dimension of the embeddings."""
        ...

    def faces(self, photo: str | bytes) -> list[Face]:
        """Find and embed every face of a photo."""
        ...


@dataclass(frozen=True)
class Upgraded:
    """Result of an upgrade.

    faces : number embedded in this run
    before : number embedded by an earlier, interrupted run
    dropped : photos whose face was deleted, and why
    from_pictures : how many of `faces` were embedded from the stored picture, because their photo is unusable
    """

    faces: int
    before: int
    dropped: tuple[tuple[str, str], ...]
    from_pictures: int = 0


def upgrade(
    path: str,
    space: Embedder,
    secret: Secret | None = None,
    drop: bool = False,
    on_face: Callable[[int, int], None] = lambda done, of: None,
) -> Upgraded:
    """Move a gallery to another model.

    Parameters
    ----------
    path : str
        A file, or postgresql://...
    space : Space
        The new space.
    secret : Secret or None
        The gallery's key.
    drop : bool
        Delete faces that cannot be re-embedded: the photo is missing or the face is not found in it, and there is no
        stored picture. Otherwise such faces are an error at the end, and the new embeddings are kept for the next run.
    on_face : callable
        Progress callback: number of faces done, and total.

    Raises
    ------
    GalleryError
        Some faces cannot be re-embedded and may not be dropped; the gallery is unchanged.
    """
    old, dimension = space_of(path)
    with closing(open_store(path, old, dimension, secret)) as store:
        if old == space.id and not store.outdated():
            return Upgraded(0, 0, ())
        _begin(store, space.id)
        before = len(store.sql.run("SELECT face FROM renewed"))
        done = pictured = 0
        while True:
            waiting = store.unrenewed(space.id)
            for start in range(0, len(waiting), _BATCH):
                part = waiting[start : start + _BATCH]
                points = [_renewed(store, face, space) for face in part]
                pictured += sum(point.pictured for point in points)
                rows = [(face.id, *point.row, face.id) for face, point in zip(part, points, strict=True)]
                with store.writing("upgrade"):
                    # The person may have been deleted meanwhile.
                    store.sql.many(
                        "INSERT INTO renewed (face, original, reason) SELECT ?, ?, ? "
                        "WHERE EXISTS (SELECT 1 FROM face WHERE id = ?) ON CONFLICT DO NOTHING",
                        rows,
                    )
                done += len(part)
                on_face(before + done, before + done + len(waiting) - start - len(part))
            dropped = _finish(store, space, drop)
            if dropped is not None:
                return Upgraded(done, before, dropped, pictured)


def adopt(path: str, card: Card, secret: Secret | None = None) -> None:
    """Switch to a new model whose embeddings are compatible with the gallery's (harmonic embedding).

    Old embeddings stay and are compared with new ones; each row records its model. `upgrade` can re-embed them later.

    Raises
    ------
    GalleryError
        The model's card does not say that it is compatible with the gallery's space.
    """
    old, dimension = space_of(path)
    if card.comparable_with != old or card.dimension != dimension:
        raise GalleryError(
            f"the card of model {card.name!r} does not say that its embeddings can be compared with those of the space "
            f"{old[:16]} that {path} holds; re-embed the faces: facespace gallery upgrade"
        )
    with closing(open_store(path, old, dimension, secret)) as store, store.writing("upgrade"):
        store.sql.run("UPDATE space SET id = ?", (card.space_id,))
        store.audit.add("adopt", {"from": old, "to": card.space_id})


def _begin(store: Store, target: str) -> None:
    with store.writing("upgrade"):
        found = store.sql.run("SELECT value FROM setting WHERE name = 'upgrade'")
        if not found or found[0][0] != target:
            store.sql.run("DELETE FROM renewed")
            store.sql.run("DELETE FROM setting WHERE name = 'upgrade'")
            store.sql.run("INSERT INTO setting (name, value) VALUES ('upgrade', ?)", (target,))
        # Retry failures of an earlier run: the photo may be back.
        store.sql.run("DELETE FROM renewed WHERE original IS NULL")


class _Renewed(NamedTuple):
    """The new embedding of a face as stored, or why there is none."""

    row: tuple[bytes | None, str | None]
    pictured: bool = False


def _renewed(store: Store, face: KeptFace, space: Embedder) -> _Renewed:
    try:
        found = space.faces(path_of(face.photo)) if face.photo else []
        reason = "the face is no longer found in the photo" if face.photo else "its photo is unknown"
    except FacespaceError as error:
        found, reason = [], str(error)
    best = max(found, key=lambda candidate: _overlap(candidate.box, face.box), default=None)
    pictured = best is None or _overlap(best.box, face.box) < _SAME_FACE
    if pictured:
        picture = store.picture(face.id)
        best = None if picture is None else _of_picture(picture, space)
    if best is None:
        return _Renewed((None, reason))
    return _Renewed((store.columns.originals(best.embedding[None])[0], None), pictured)


def _of_picture(picture: bytes, space: Embedder) -> Face | None:
    """Embed the largest face of a stored picture, which shows the face close up."""
    try:
        found = space.faces(picture)
    except FacespaceError:
        return None
    return max(found, key=lambda face: face.box[2] - face.box[0], default=None)


def _finish(store: Store, space: Embedder, drop: bool) -> tuple[tuple[str, str], ...] | None:
    """Replace the embeddings; None if faces enrolled meanwhile have no new embedding yet."""
    with store.writing("upgrade"):
        if store.unrenewed(space.id):
            return None
        failed = [
            (store.columns.unseal_text(photo, "face.photo"), reason)
            for photo, reason in store.sql.run(
                "SELECT photo, reason FROM renewed JOIN face ON face.id = renewed.face WHERE renewed.original IS NULL"
            )
        ]
        if failed and not drop:
            some = "; ".join(f"{photo}: {reason}" for photo, reason in failed[:3])
            raise GalleryError(
                f"{len(failed)} faces of {store.where} cannot be re-embedded ({some}); the gallery is unchanged. "
                "Restore their photos and upgrade again, or delete these faces: --drop"
            )
        old = store.space_id
        store.sql.run("DELETE FROM face WHERE id IN (SELECT face FROM renewed WHERE original IS NULL)")
        store.sql.run(
            "UPDATE face SET original = renewed.original, model = ? FROM renewed WHERE renewed.face = face.id",
            (space.id,),
        )
        store.sql.run("DELETE FROM renewed")
        store.sql.run("DELETE FROM setting WHERE name = 'upgrade'")
        store.sql.run("UPDATE space SET id = ?, dimension = ?", (space.id, space.dimension))
        store.move_to(space.id, space.dimension)
        for (person,) in store.sql.run("SELECT id FROM person"):
            store.refresh_template(person)
        store.audit.add("upgrade", {"from": old, "to": space.id, "dropped": len(failed)})
    return tuple(failed)


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union > 0 else 0.0
