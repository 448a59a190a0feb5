"""Compare one face with one person of a gallery (1:1 verification): is it the claimed person?"""

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
    """Whether a face shows a given person.

    person : the claimed person
    verdict : 'same' up to the threshold, 'different' beyond the rejection, 'unclear' between them
    headline, explanation : the verdict in words, with both error rates
    same : whether the distance is at most the threshold
    probability : that it is the same person, for even prior odds
    distance : squared distance to the person's template, the mean of their photos
    adjusted_distance : that distance converted to a template of a single photo; the thresholds apply to it
    threshold : largest `adjusted_distance` at which two faces are the same person
    far : the false accept rate that the threshold was chosen for
    rejection : `adjusted_distance` beyond which they are different people; None if the model's card does not say
    frr : the fraction of same-person pairs beyond that (false reject rate)
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

    Other people of the gallery do not matter, so the threshold is that of one comparison. The audit log records the
    comparison.

    Parameters
    ----------
    store : Store
    space : Space
    person_id : int
    embedding : float32, shape (d,), L2 norm 1
    far : float or None
        False accept rate of the decision, one of the card's; None uses the card's default.

    Raises
    ------
    GalleryError
        There is no person with that id, or they have no faces.
    EmbeddingError
        The embedding is not d finite numbers of L2 norm 1.
    ModelError
        The card has no threshold for that rate.
    """
    decision = space.decision(far)
    person = store.by_ids([person_id]).get(person_id)
    if person is None:
        raise GalleryError(f"there is no person with the id {person_id} in the gallery")
    kept = [face.embedding for face in store.faces(person_id)]
    if not kept:
        raise GalleryError(f"the person with the id {person_id} has no faces; enrol a photo first")
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
