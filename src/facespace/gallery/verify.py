"""One face against one person of a gallery (1:1 verification): is it the person that somebody claims to be?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.errors import GalleryError
from facespace.gallery.records import Person
from facespace.gallery.store import Store
from facespace.metric import Outcome, as_point, squared_distances, template
from facespace.space import Space


@dataclass(frozen=True)
class PersonVerification:
    """Is this face that person's?

    person : who was claimed
    verdict : 'same' up to the threshold, 'different' beyond the rejection, 'unclear' between them
    headline, explanation : the verdict in words, with both error rates
    same : whether the distance is at most the threshold
    probability : that it is the same person, for even prior odds
    distance : squared distance to the person's template, the mean of their photos
    adjusted_distance : that distance as if the template were a single photo, which the threshold is for
    threshold : `adjusted_distance` up to which two faces are one person
    far : the false accept rate that the threshold was chosen for
    rejection : `adjusted_distance` beyond which they are different people; None where the model's card does not tell
    frr : the share of same-person pairs beyond that (false reject rate)
    """

    person: Person
    verdict: Outcome
    headline: str
    explanation: str
    same: bool
    probability: float
    distance: float
    adjusted_distance: float
    threshold: float
    far: float
    rejection: float | None
    frr: float | None


def verify_person(
    store: Store, space: Space, person_id: int, embedding: NDArray[np.float32], far: float | None = None
) -> PersonVerification:
    """Compare an embedding with a person's template.

    Nobody else of the gallery plays a part, so the threshold is that of one comparison. An entry is added to the audit
    log.

    Parameters
    ----------
    store : Store
    space : Space
    person_id : int
    embedding : float32, shape (d,), L2 norm 1
    far : float or None
        False accept rate to decide at, one of the card's; its default where None.

    Raises
    ------
    GalleryError
        There is nobody with that id, or no face is kept of them.
    EmbeddingError
        Not d finite numbers of L2 norm 1.
    ModelError
        The card has no threshold for that rate.
    """
    decision = space.decision(far)
    person = store.by_ids([person_id]).get(person_id)
    if person is None:
        raise GalleryError(f"there is nobody with the id {person_id} in the gallery")
    kept = [face.embedding for face in store.faces(person_id)]
    if not kept:
        raise GalleryError(f"no face is kept of the person with the id {person_id}; enrol a photo first")
    points = np.stack(kept)
    probe = as_point(embedding, space.dimension)
    distance = float(squared_distances(probe[None], template(points)[None])[0, 0])
    length = float(np.linalg.norm(points.astype(np.float64).mean(axis=0)))
    comparable = space.card.impostors().comparable(np.array([distance]), np.array([len(kept)]), np.array([length]))
    adjusted = float(comparable[0])
    verdict = decision.verdict(adjusted)
    store.record("verify", {"person": person_id, "same": verdict.outcome == "same"})
    return PersonVerification(
        person=person,
        verdict=verdict.outcome,
        headline=verdict.headline,
        explanation=verdict.explanation,
        same=verdict.outcome == "same",
        probability=float(space.probability(adjusted)),
        distance=distance,
        adjusted_distance=adjusted,
        threshold=decision.accept,
        far=decision.far,
        rejection=None if decision.reject is None else decision.beyond,
        frr=decision.frr,
    )
