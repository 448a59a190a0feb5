"""A two-dimensional map of a gallery's people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.gallery.records import Person
from facespace.gallery.store import Store
from facespace.metric import dequantise


@dataclass(frozen=True)
class Place:
    """Position of a person on the map; x and y between -1 and 1."""

    person: Person
    x: float
    y: float


def project(store: Store, limit: int) -> list[Place]:
    """Project the people of a gallery onto a plane.

    Parameters
    ----------
    store : Store
    limit : int
        If there are more people, those enrolled first are used.
    """
    _, templates, _ = store.templates_since(0)
    templates = sorted(templates, key=lambda template: template.person_id)[:limit]
    people = store.by_ids(template.person_id for template in templates)
    shown = [template for template in templates if template.person_id in people]
    if not shown:
        return []
    places = plane(dequantise(np.stack([template.code for template in shown])))
    return [
        Place(people[template.person_id], float(x), float(y)) for template, (x, y) in zip(shown, places, strict=True)
    ]


def plane(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Project points (n, d) onto their two principal components, scaled into -1..1; float64, shape (n, 2)."""
    centred = points.astype(np.float64) - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    return flat / max(float(np.abs(flat).max()), 1e-12)
