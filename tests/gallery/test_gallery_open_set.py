"""Similarity between a gallery's people, and the threshold that follows from it."""

import numpy as np
import pytest
from points import NamedSpace, new_faces

from facespace.gallery import Gallery, NewFace
from facespace.gallery.open_set import nearest_others
from facespace.metric import Impostors, normalise

OLD = Impostors((0.1, 0.01), (1,), ((1.5, 1.3),))


def alike(count, seed=0, together=0.4):
    """Faces of people with a common component, like those of one demographic group."""
    rng = np.random.default_rng(seed)
    common = together * normalise(np.random.default_rng(9).normal(size=(1, 32)))
    return normalise(common + normalise(rng.normal(size=(count, 32))))


def enrol(gallery, points, first=0):
    gallery.store.add_all(
        (f"P{first + i}", [NewFace(f"{i}", (0.0, 0.0, 9.0, 9.0), point)], None) for i, point in enumerate(points)
    )


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as opened:
        yield opened


@pytest.mark.parametrize("card", [OLD, Impostors((0.1, 0.01), (1, 4), ((1.5, 1.3), (1.2, 1.1)))])
def test_the_nearest_others_match_an_exhaustive_comparison(card):
    rng = np.random.default_rng(0)
    templates, queries = normalise(rng.normal(size=(40, 8))), normalise(rng.normal(size=(25, 8)))
    own, photos = rng.permutation(40)[:25], rng.integers(1, 4, 40)
    lengths = rng.uniform(0.5, 1, 40)
    found = nearest_others(queries, own, templates, photos, lengths, card)
    for row, (query, mine) in enumerate(zip(queries, own, strict=True)):
        plain = ((query - templates) ** 2).sum(axis=1).astype(float)
        others = [card.comparable(plain[[i]], photos[[i]], lengths[[i]])[0] for i in range(40) if i != mine]
        assert found[row] == pytest.approx(sorted(others)[: found.shape[1]], abs=1e-5)


@pytest.mark.parametrize("card", [None, OLD])
def test_lookalike_strangers_are_rejected_even_if_the_cards_threshold_would_accept_them(tmp_path, card):
    with Gallery(tmp_path / "people.db", NamedSpace(impostors=card)) as gallery:
        enrol(gallery, alike(80))
        strangers = alike(2000, seed=1)
        nearest = np.array([near.adjusted[0] for near in gallery.index.nearest(strangers, 1)])
        by_card = float(gallery.index._impostors.threshold(0.05 / 80))
        assert (nearest <= by_card).mean() > 0.2
        assert (nearest <= gallery.threshold(0.05)).mean() <= 0.05


def test_the_threshold_is_measured_again_only_after_people_changed(gallery, monkeypatch):
    enrol(gallery, alike(40))
    asked = []
    measure = gallery.store.some_templates
    monkeypatch.setattr(gallery.store, "some_templates", lambda most: asked.append(most) or measure(most))
    first = gallery.threshold()
    enrol(gallery, alike(2, seed=5), first=100)
    assert gallery.threshold() <= first
    assert len(asked) == 1
    enrol(gallery, alike(20, seed=6), first=200)
    gallery.threshold()
    assert len(asked) == 2


def test_a_deterministic_sample_is_used_for_many_people(gallery):
    enrol(gallery, alike(300))
    some = [template.person_id for template in gallery.store.some_templates(100)]
    assert 60 < len(some) < 140
    assert some == [template.person_id for template in gallery.store.some_templates(100)]
    assert len(gallery.store.some_templates(1000)) == 300


def test_first_faces_are_returned_and_people_without_faces_are_left_out(gallery):
    gallery.store.add("Ada", new_faces("Ada", 3))
    gallery.store.add("Ben", new_faces("Ben", 2))
    gallery.store.add("Nobody yet", [])
    people = {person.name: person.id for person in gallery.people()}
    found = gallery.store.first_faces([*people.values(), 999])
    assert set(found) == {people["Ada"], people["Ben"]}
    assert found[people["Ada"]] == pytest.approx(new_faces("Ada")[0].embedding, abs=1e-3)
