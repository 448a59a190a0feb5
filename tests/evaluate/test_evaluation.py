"""Evaluation of a space by protocols, from photos to metrics."""

import json
from dataclasses import replace

import numpy as np
import pytest

from facespace.album import cluster
from facespace.errors import DataError, ModelError
from facespace.evaluate import (
    Preparation,
    all_pairs,
    as_figures,
    evaluate,
    figure_rows,
    open_photos,
    protocols,
    verify_embeddings,
)
from facespace.evaluate.figures import finite
from facespace.evaluate.photos import InMemoryPhotos
from facespace.gallery import Gallery
from facespace.metric import squared_distances


@pytest.fixture(scope="module")
def photos(people):
    found = open_photos(people)
    return InMemoryPhotos({name: found.read(name) for name in found.names}, "people")


@pytest.fixture(scope="module")
def answered(space, photos):
    return evaluate(space, protocols.people(photos), rounds=50)


@pytest.fixture
def lfw_like(tmp_path):
    """A list in LFW's format for ORL people 1 to 6, with photos named accordingly."""
    lines = ["3\t2"]
    for first in (1, 3, 5):
        a, b = f"s{first}", f"s{first + 1}"
        lines += [f"{a}\t1\t2", f"{b}\t3\t4", f"{a}\t1\t{b}\t1", f"{a}\t2\t{b}\t4"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "pairs.txt"


def named_like_lfw(photos, without=()):
    content = {}
    for name in photos.names:
        person, number = name.removesuffix(".pgm").split("/")
        content[f"{person}/{person}_{int(number):04d}.jpg"] = photos.read(name)
    return InMemoryPhotos({name: photo for name, photo in content.items() if name not in without}, "people")


def test_verification_is_that_of_the_points(answered, space, photos):
    points = space.embed([photos.read(name) for name in photos.names])
    distances = squared_distances(points, points)
    v = answered.verification
    assert len(v.pairs) == 60 * 59 // 2
    assert v.distances == pytest.approx(distances[v.pairs.a, v.pairs.b], abs=1e-4)
    assert (v.pairs.same == (answered.protocol.labels[v.pairs.a] == answered.protocol.labels[v.pairs.b])).all()


def test_searches_answer_as_a_gallery_does(answered, space, people):
    s = answered.search
    names = answered.protocol.names
    with Gallery(people.parent / "asked.db", space) as gallery:
        for index in s.gallery:
            gallery.enrol(answered.protocol.people[answered.protocol.labels[index]], people / names[index])
        # The gallery stores one byte per dimension, so an answer may change if two people are equally near.
        agreed = 0
        for at, probe in enumerate(s.probes):
            (answer,) = gallery.identify(people / names[probe])
            mine = answered.protocol.people[s.searches.nearest[at]] if s.searches.distances[at] <= s.threshold else None
            agreed += answer.person == mine
    assert agreed >= len(s.probes) - 2


def test_the_evaluated_clusters_are_those_of_cluster(answered, space, people):
    found = cluster(space, people)
    group_of = {
        member.photo.relative_to(people).as_posix(): at for at, group in enumerate(found.groups) for member in group
    }
    theirs = np.array([group_of[answered.faces.names[row]] for row in answered.grouped])
    assert answered.cut == found.threshold
    assert ((theirs[:, None] == theirs) == (answered.groups[:, None] == answered.groups)).all()


def test_a_card_with_a_cut_of_complete_linkage_is_refused_and_evaluated_without_groups(space, photos, people):
    complete = space.card.decisions.clustering.model_copy(update={"linkage": "complete"})
    decisions = space.card.decisions.model_copy(update={"clustering": complete})
    other = replace_card(space, space.card.model_copy(update={"decisions": decisions}))
    with pytest.raises(ModelError, match="complete linkage, but faces are grouped by average linkage"):
        cluster(other, people)
    found = evaluate(other, protocols.groups_of_people(photos))
    assert found.groups is None
    assert any("complete linkage" in note for note in found.notes)
    # A given threshold needs nothing from the card.
    assert cluster(other, people, threshold=0.001).threshold == 0.001


def test_a_list_of_pairs_uses_its_own_folds(space, photos, lfw_like):
    found = evaluate(space, protocols.lfw(lfw_like, named_like_lfw(photos)), rounds=20)
    v = found.verification
    assert len(v.fold_accuracy) == 3
    assert v.accuracy.value == pytest.approx(np.mean(v.fold_accuracy))
    assert v.accuracy_se == pytest.approx(np.std(v.fold_accuracy, ddof=1) / 3**0.5)
    assert found.search is None
    assert found.grouping is None


def test_a_missing_photo_is_counted_and_never_matches(space, photos, lfw_like):
    held = named_like_lfw(photos, without=("s1/s1_0001.jpg",))
    found = evaluate(space, protocols.lfw(lfw_like, held), rounds=20)
    v = found.verification
    assert len(v.pairs) == 12
    assert np.isinf(v.distances).sum() == 2
    assert all(np.isfinite(v.fold_threshold))
    assert [failure.how for failure in found.failures] == ["missing"]
    assert any("1 of 15 photos are missing; they never match" in note for note in found.notes)
    whole = evaluate(space, protocols.lfw(lfw_like, named_like_lfw(photos)), rounds=20).verification
    assert v.accuracy.value <= whole.accuracy.value


def test_a_rate_with_too_few_impostor_pairs_is_reported(answered):
    assert "needs 1,000,000 impostor pairs; there are 1,500" in answered.verification.unmeasured[1e-6]
    assert list(answered.verification.val) == [1e-1, 1e-2, 1e-3]


def test_figures_are_json_with_documented_names(answered):
    found = json.loads(json.dumps(finite(as_figures(answered))))
    for name in ("protocol", "accuracy", "accuracy_se", "val", "auc", "eer", "pairs", "failures", "model"):
        assert name in found
    value, low, high = found["val"]["1e-2"]
    assert low <= value <= high
    assert found["pairs"] == 1770
    assert found["model"]["space"] == answered.space.id
    rows = {row.name: row for row in figure_rows(answered)}
    assert rows["VAL at FAR 1e-2"].value == f"{value:.4f}"


def test_a_note_warns_of_results_on_the_people_used_for_the_card(answered, space):
    from facespace.evaluate.evaluation import _notes, data_name

    assert not any("optimistic" in note for note in answered.notes)
    changed = space.card.decisions.model_copy(update={"data": data_name(answered.protocol)})
    space_of_them = replace_card(space, space.card.model_copy(update={"decisions": changed}))
    assert any("optimistic" in note for note in _notes(space_of_them, answered.protocol, answered.faces))


def test_without_thresholds_on_the_card_the_rest_is_measured(space, photos):
    bare = replace_card(space, space.card.model_copy(update={"decisions": None}))
    found = evaluate(bare, protocols.people(photos), rounds=10)
    assert found.verification.auc.value > 0.5
    assert found.reliability is None
    assert found.search.figures.fpir is None
    assert found.search.figures.rank[1].value > 0.1
    assert found.grouping is None
    assert any("no thresholds" in note for note in found.notes)


def test_at_the_cards_thresholds_both_errors_are_measured(answered, space):
    for entry in answered.at_thresholds:
        assert entry.threshold == space.threshold(entry.far)
        assert entry.fmr.value == np.mean(answered.verification.impostor <= entry.threshold)
        assert entry.fnmr.value == np.mean(answered.verification.genuine > entry.threshold)


def test_the_report_describes_the_preparation(space):
    assert "the largest is used" in Preparation().words(space)
    assert "failure to enrol" in Preparation("failure", central=True).words(space)
    assert "nearest to the centre" in Preparation(central=True).words(space)


def test_embeddings_of_another_library_use_the_same_protocol(photos, lfw_like, space):
    asked = protocols.lfw(lfw_like, named_like_lfw(photos))
    found = evaluate(space, asked, rounds=20)
    again = verify_embeddings(asked, found.faces.embeddings, rounds=20)
    assert again.accuracy == found.verification.accuracy
    with pytest.raises(DataError, match="has no verification"):
        verify_embeddings(protocols.groups_of_people(photos), found.faces.embeddings)


def test_all_pairs_leave_out_missing_faces(space, photos):
    broken = InMemoryPhotos({n: b"no photo" if n == "s2/3.pgm" else photos.read(n) for n in photos.names}, "people")
    found = evaluate(space, protocols.pairs_of_people(broken), rounds=10)
    gone = broken.names.index("s2/3.pgm")
    pairs = found.verification.pairs
    assert len(pairs) == len(all_pairs(np.arange(59)))
    assert gone not in pairs.a
    assert gone not in pairs.b
    labels = found.protocol.labels
    assert (pairs.same == (labels[pairs.a] == labels[pairs.b])).all()


def replace_card(space, card):
    """The same network with another card."""
    import copy

    changed = copy.copy(space)
    changed.card = card
    return changed


def test_extra_figures_are_shown(answered):
    changed = replace(answered, extra={"train_seconds": 61.7})
    assert as_figures(changed)["train_seconds"] == 61.7
    assert any(row.name == "train seconds" and row.value == "62" for row in figure_rows(changed))


def pairs_of(tmp_path, photos, text):
    (tmp_path / "pairs.csv").write_text(text)
    return protocols.pair_list(tmp_path / "pairs.csv", photos)


@pytest.mark.parametrize(("same", "kind"), [(1, "same-person"), (0, "different-person")])
def test_an_error_names_the_first_missing_photo_if_no_pair_can_be_compared(space, photos, tmp_path, same, kind):
    there = (
        ["s1/1.pgm,s1/2.pgm,1", "s2/1.pgm,s2/2.pgm,1"] if not same else ["s1/1.pgm,s3/1.pgm,0", "s2/1.pgm,s4/1.pgm,0"]
    )
    absent = [f"s5/90.pgm,s6/1.pgm,{same}", f"s5/91.pgm,s6/2.pgm,{same}"]
    asked = pairs_of(tmp_path, photos, "\n".join(["a,b,same", *there, *absent]))
    with pytest.raises(DataError, match=rf"none of the 2 {kind} pairs can be compared.*s5/90\.pgm"):
        evaluate(space, asked, rounds=5)


def test_a_fold_without_an_accuracy_gives_a_note(space, photos, tmp_path):
    rows = ["s1/1.pgm,s1/2.pgm,1,1", "s1/1.pgm,s2/1.pgm,0,1", "s3/1.pgm,s3/2.pgm,1,2", "s3/1.pgm,s4/1.pgm,0,2"]
    asked = pairs_of(tmp_path, photos, "\n".join(["a,b,same,fold", *rows, "s5/1.pgm,s5/2.pgm,1,3"]))
    found = evaluate(space, asked, rounds=5)
    assert found.verification.not_judged == (2,)
    assert len(found.verification.pairs) == 5
    assert any("no accuracy for fold 3 of 3" in note for note in found.notes)
