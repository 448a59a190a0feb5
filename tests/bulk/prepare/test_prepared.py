"""From a folder of people to the trainer's input."""

import csv

import numpy as np
import pytest
from PIL import Image

from facespace.bulk.prepare import prepare
from facespace.bulk.prepare.dataset import _share
from facespace.bulk.prepare.select import BYSTANDER, DUPLICATE, FEW
from facespace.errors import DataError
from facespace.faces import TEMPLATES, Mtcnn
from facespace.space import load
from facespace.train.data.sources import source_of

SAME_PICTURE = ("s1/1.png", "s1/again.jpg")


@pytest.fixture(scope="module")
def folder(people, tmp_path_factory):
    """Six people with three photos each, and: a duplicate, a bystander, a truncated file, a photo without a face, a
    person with a single photo."""
    root = tmp_path_factory.mktemp("people")
    for person in range(1, 7):
        (root / f"s{person}").mkdir()
        for number in (1, 5, 8):
            canvas = Image.new("RGB", (150, 160), (128, 128, 128))
            canvas.paste(Image.open(people / f"s{person}" / f"{number}.pgm"), (25, 25))
            canvas.save(root / f"s{person}" / f"{number}.png")
    Image.open(root / "s1" / "1.png").save(root / "s1" / "again.jpg", quality=60)
    group = Image.new("RGB", (400, 260), (128, 128, 128))
    group.paste(Image.open(people / "s2" / "6.pgm").resize((184, 224)), (20, 20))
    group.paste(Image.open(people / "s3" / "6.pgm"), (250, 80))
    group.save(root / "s2" / "group.png")
    (root / "s3" / "torn.jpg").write_bytes(b"torn")
    Image.new("RGB", (80, 80), (30, 90, 30)).save(root / "s3" / "view.png")
    (root / "hermit").mkdir()
    Image.open(root / "s4" / "1.png").save(root / "hermit" / "1.png")
    return root


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "set"
    return prepare(folder, out, validation=0.3, seed=3), out


def table(out):
    with (out / "faces.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_good_photo_becomes_an_aligned_face(prepared):
    done, out = prepared
    rows = table(out)
    assert len(rows) == done.faces["train"] + done.faces["val"] == 19
    assert {row["person"] for row in rows} == {f"s{number}" for number in range(1, 7)}
    detector, template = Mtcnn(), TEMPLATES["arcface-112"] * 112 + 7.5
    gaps = []
    for row in rows:
        face = np.asarray(Image.open(out / row["path"]))
        assert face.shape == (128, 128, 3)
        (found,) = detector([face])
        if len(found.boxes):
            gaps.append(found.landmarks[0].mean(axis=0) - template.mean(axis=0))
    assert np.abs(np.median(gaps, axis=0)).max() < 1


def test_every_omission_has_a_reason(prepared):
    done, _ = prepared
    reasons = {
        decision.candidate.photo: decision.kind
        for own in done.decisions.values()
        for decision in own
        if decision.kind is not None
    }
    # Either of two equal pictures may score higher in quality.
    assert [reasons.get(photo) for photo in SAME_PICTURE].count(DUPLICATE) == 1
    assert reasons["s2/group.png"] == BYSTANDER
    assert reasons["hermit/1.png"] == FEW
    assert set(done.failures) == {"s3/torn.jpg", "s3/view.png"}
    assert done.left_out == {DUPLICATE: 1, BYSTANDER: 1, FEW: 1}


def test_the_trainer_reads_the_set_as_a_whole_and_by_split(prepared):
    done, out = prepared
    for split in ("train", "val"):
        source = source_of(out / split)
        assert source.aligned
        assert len(source.entries) == done.faces[split]
        assert source.decode(source.entries[0]).shape == (128, 128, 3)
    assert len(source_of(out).entries) == 19


def test_each_person_is_in_one_split_independently_of_others(prepared):
    _, out = prepared
    for row in table(out):
        assert row["split"] == ("val" if _share(row["person"], 3) < 0.3 else "train")
        assert row["path"].startswith(f"{row['split']}/{row['person']}/")


def test_the_summary_shows_people_and_reasons_and_is_private(prepared):
    _, out = prepared
    page = (out / "summary.html").read_text("utf-8")
    for word in ("s3/torn.jpg", "no face found", "data:image/jpeg"):
        assert word in page
    first, second = SAME_PICTURE
    assert (first in page and f"same picture as {second}" in page) or (
        second in page and f"same picture as {first}" in page
    )
    assert (out / "summary.html").stat().st_mode & 0o077 == 0
    assert not (out / ".work").exists()


def test_an_existing_set_is_not_overwritten_and_an_empty_folder_is_an_error(prepared, tmp_path):
    with pytest.raises(DataError, match="has a training set already"):
        prepare(tmp_path, prepared[1])
    (tmp_path / "Ada").mkdir()
    with pytest.raises(DataError, match="no people in"):
        prepare(tmp_path, tmp_path / "out")


def test_with_a_model_faces_are_compared(folder, model_path, tmp_path):
    space = load(model_path, detector="aligned-128")
    done = prepare(folder, tmp_path / "set", space, validation=0)
    assert done.faces["val"] == 0
    assert done.people["train"] >= 5


def test_an_interrupted_run_can_be_continued(folder, tmp_path):
    count = 0

    def stop(row):
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(folder, tmp_path / "set", on_photo=stop)
    seen = []
    done = prepare(folder, tmp_path / "set", validation=0.3, seed=3, on_photo=seen.append)
    assert len(seen) == 23 - 5
    assert sum(done.faces.values()) == 19
