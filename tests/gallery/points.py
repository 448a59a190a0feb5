"""Spaces and faces for tests that need no network: the name of a photo says whose face it shows."""

import hashlib
from types import SimpleNamespace

import numpy as np

from facespace.errors import ImageError
from facespace.gallery import NewFace
from facespace.metric import Decision, Impostors, normalise
from facespace.space import Face

SPACE, DIMENSION = "a" * 64, 32


def point(person, photo=0, spread=0.25, dimension=DIMENSION):
    """A face of a person: equal names give equal points."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{person}".encode()).digest()[:6], "big"))
    centre = normalise(rng.normal(size=(1, dimension)))[0]
    own = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{person} {photo}".encode()).digest()[:6], "big"))
    return normalise((centre + spread * normalise(own.normal(size=(1, dimension)))[0])[None])[0]


def new_faces(person, count=1, **settings):
    return [NewFace(f"{person}/{i}", (0.0, 0.0, 10.0, 10.0), point(person, i, **settings)) for i in range(count)]


class NamedSpace:
    """A space whose photos are text such as 'Ada/1' or, with several faces, 'Ada/1+Ben/2'."""

    def __init__(self, name=SPACE, dimension=DIMENSION, threshold=0.5, impostors=None):
        self.id, self.dimension = name, dimension
        self._threshold = threshold
        from_card = impostors or Impostors(
            (0.1, 0.01, 0.001), (1, 2, 4), ((1.5, 1.3, 1.1), (1.45, 1.25, 1.05), (1.4, 1.2, 1.0))
        )
        self.card = SimpleNamespace(impostors=lambda: from_card)
        self.lost = set()

    def threshold(self, far=None):
        return self._threshold

    def decision(self, far=None):
        return Decision(self._threshold, 0.001, self._threshold + 0.4, 0.01)

    def probability(self, distances):
        return 1 / (1 + np.exp(8 * (np.asarray(distances) - 1)))

    def faces(self, photo, crops=False):
        if photo in self.lost:
            raise ImageError(f"cannot read {photo}")
        found = []
        for place, part in enumerate(filter(None, photo.split("+"))):
            person, _, number = part.partition("/")
            embedding = point((self.id, person) if self.id != SPACE else person, number, dimension=self.dimension)
            found.append(Face((10.0 * place, 0.0, 10.0 * place + 10, 10.0), None, 1.0, embedding))
        return found
