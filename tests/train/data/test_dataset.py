"""Training faces: sources, the cache of decoded faces, and photos that cannot be used."""

import csv
import io
import zipfile

import numpy as np
import PIL.Image
import pytest

from facespace.errors import DataError
from facespace.train.data import cache as facecache
from facespace.train.data.aligned import layout_for
from facespace.train.data.dataset import FaceSet, Rows, read_faces, split_people, without_doubtful_names
from facespace.train.data.sources import source_of

PEOPLE = {"Ada": 3, "Blaise": 2, "Carl": 4}


def face(seed, side=128):
    """A pattern, smooth enough to survive WebP, different for every seed."""
    rng = np.random.default_rng(seed)
    small = PIL.Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    return np.asarray(small.resize((side, side), PIL.Image.Resampling.BICUBIC))


def encoded(pixels):
    target = io.BytesIO()
    PIL.Image.fromarray(pixels).save(target, "WEBP", lossless=True)
    return target.getvalue()


def rows():
    """(path, person, row of the teacher), people in the reverse of their order."""
    numbered = [(f"train/{name}/{n}.webp", name) for name in PEOPLE for n in range(PEOPLE[name])]
    return [(path, person, row) for row, (path, person) in enumerate(reversed(numbered))]


def write_table(folder, entries):
    with (folder / "faces.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("path", "person", "split", "teacher_row"), *((p, who, "train", r) for p, who, r in entries)])


@pytest.fixture
def zipped(tmp_path):
    """A zip of aligned faces with a table and a teacher; the table also has a row for another zip."""
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for path, _, row in rows():
            archive.writestr(path, encoded(face(row)))
    write_table(tmp_path, [*rows(), ("val/Dora/0.webp", "Dora", 9)])
    np.save(tmp_path / "teacher.npy", np.random.default_rng(0).normal(size=(10, 5)).astype(np.float16))
    return tmp_path / "train.zip"


@pytest.fixture
def always_cached(monkeypatch):
    monkeypatch.setattr(facecache, "IN_MEMORY_BYTES", 0)


def read(path, cache, size=112, **options):
    return read_faces(path, size, size, cache=cache, **options)


def test_a_zip_gives_its_people_in_order_with_their_pixels(zipped, tmp_path):
    faces = read(zipped, tmp_path / "cache")
    assert faces.people == ("Ada", "Blaise", "Carl")
    assert np.bincount(faces.labels).tolist() == list(PEOPLE.values())
    assert (faces.margin, faces.input_size, faces.crop) == (8, (112, 112), "arcface-112")
    by_path = {path: row for path, _, row in rows()}
    for position, path in enumerate(sorted(by_path)):
        assert np.array_equal(faces.pixels[np.array([position])][0], face(by_path[path]))


def test_the_crops_are_the_middle_without_the_margin(zipped, tmp_path):
    faces = read(zipped, tmp_path / "cache")
    chosen = np.array([4, 0, 4])
    assert np.array_equal(faces.crops(chosen), faces.pixels[chosen][:, 8:120, 8:120])


def test_the_teacher_follows_the_faces(zipped, tmp_path):
    faces = read(zipped, tmp_path / "cache")
    table = np.load(tmp_path / "teacher.npy").astype(np.float32)
    by_path = {path: row for path, _, row in rows()}
    assert np.array_equal(faces.teacher, table[[by_path[path] for path in sorted(by_path)]])


def test_a_folder_with_a_table_gives_the_same_as_the_zip(zipped, tmp_path):
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path)
    inside, outside = read(tmp_path / "train", tmp_path / "cache"), read(zipped, tmp_path / "cache")
    assert inside.people == outside.people
    assert np.array_equal(inside.pixels[:], outside.pixels[:])
    assert np.array_equal(inside.teacher, outside.teacher)


def test_the_cache_equals_the_decoded_faces(zipped, tmp_path, monkeypatch):
    plain = read(zipped, tmp_path / "cache")
    assert isinstance(plain.pixels, np.ndarray)
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(facecache, "IN_MEMORY_BYTES", 0)
    for _ in range(2):
        cached = read(zipped, tmp_path / "cache")
        assert isinstance(cached.pixels, Rows)
        assert cached.pixels.shape == plain.pixels.shape
        assert np.array_equal(cached.pixels[:], plain.pixels)
        assert np.array_equal(cached.labels, plain.labels)


def test_a_cache_is_used_again_and_not_for_other_photos_or_sizes(zipped, tmp_path, always_cached):
    progress = []
    read(zipped, tmp_path / "cache", progress=lambda done, total: progress.append((done, total)))
    assert progress == [(9, 9)]
    read(zipped, tmp_path / "cache", progress=lambda done, total: pytest.fail("decoded a second time"))
    read(zipped, tmp_path / "cache", 56, progress=lambda done, total: progress.append("another size"))
    with zipfile.ZipFile(zipped, "w") as archive:
        for path, _, row in rows():
            archive.writestr(path, encoded(face(row + 100)))
    changed = read(zipped, tmp_path / "cache", progress=lambda done, total: progress.append("other photos"))
    assert progress[1:] == ["another size", "other photos"]
    assert np.array_equal(changed.pixels[:][-1], face(100))


def test_an_interruption_leaves_no_cache_and_the_next_run_makes_one(zipped, tmp_path, always_cached):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(zipped, tmp_path / "cache", progress=stop)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    assert len(read(zipped, tmp_path / "cache").labels) == 9


def test_leftovers_of_a_killed_run_are_not_used(zipped, tmp_path, always_cached):
    (tmp_path / "cache").mkdir()
    read(zipped, tmp_path / "cache")
    (whole,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    whole.rename(whole.with_suffix(".partial"))
    (whole.with_suffix(".partial") / "pixels.npy").write_bytes(b"half")
    assert np.array_equal(read(zipped, tmp_path / "cache").pixels[:][-1], face(0))


def test_a_cache_that_cannot_be_written_is_a_clear_error(zipped, tmp_path, always_cached):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot cache the decoded faces of .*train.zip.*free some disk space"):
        read(zipped, tmp_path / "cache")


@pytest.mark.parametrize("cached", [False, True])
def test_a_bad_photo_is_skipped_and_reported_each_time(zipped, tmp_path, monkeypatch, cached):
    with zipfile.ZipFile(zipped, "w") as archive:
        for path, _, row in rows():
            content = {"train/Blaise/0.webp": b"no image", "train/Carl/1.webp": encoded(face(row, 100))}
            archive.writestr(path, content.get(path, encoded(face(row))))
    if cached:
        monkeypatch.setattr(facecache, "IN_MEMORY_BYTES", 0)
    for _ in range(2):
        messages = []
        faces = read(zipped, tmp_path / "cache", warn=messages.append)
        assert np.bincount(faces.labels).tolist() == [3, 1, 3]
        assert len(faces.pixels) == len(faces.teacher) == 7
        assert "train/Blaise/0.webp" in messages[0]
        assert "not an image" in messages[0]
        assert "train/Carl/1.webp: it is 100x100 pixels, not an aligned face of 128x128" in messages[1]
        assert np.array_equal(faces.pixels[:][-1], face(0))


def test_reducing_keeps_the_landmarks_where_the_template_has_them(zipped):
    # A disc at the template's nose must be at the same relative position in the scaled crop.
    ys, xs = np.mgrid[:128, :128] + 0.5
    disc = ((((xs - 8 - 56.5) ** 2 + (ys - 8 - 72.2) ** 2) < 6**2)[..., None] * np.full(3, 255)).astype(np.uint8)
    for size in (112, 96, 64, 56):
        layout = layout_for(size, size)
        inner = layout.face(disc)[layout.margin : -layout.margin, layout.margin : -layout.margin, 0].astype(float)
        assert inner.shape == (size, size)
        y, x = (np.average(np.arange(size) + 0.5, weights=inner.sum(axis=axis)) for axis in (1, 0))
        assert (x / size * 112, y / size * 112) == pytest.approx((56.5, 72.2), abs=0.15)


def test_reducing_counts_every_pixel_by_its_area():
    halved = layout_for(56, 56).face(np.tile(np.array([[0, 255], [255, 0]], np.uint8)[..., None], (64, 64, 3)))
    # A checkerboard of single pixels becomes grey; sampling single pixels would give black or white.
    assert np.abs(halved[2:-2, 2:-2].astype(int) - 127.5).max() < 3


@pytest.mark.parametrize(("width", "height"), [(112, 112), (96, 96), (64, 64), (56, 56), (104, 112), (224, 224)])
def test_a_layout_keeps_the_shape_asked_for_and_a_margin(width, height):
    layout = layout_for(width, height)
    rows, columns = layout.shape
    kept = (columns - 2 * layout.margin, rows - 2 * layout.margin)
    assert layout.margin >= 1
    assert kept == ((width, height) if layout.size is None else (112, 112))
    assert max(layout.shape) <= 128


def test_a_network_that_takes_more_pixels_gets_enlarged_crops(zipped, tmp_path):
    faces = read(zipped, tmp_path / "cache", 224)
    assert faces.pixels.shape[1:3] == (128, 128)
    assert faces.input_size == (224, 224)
    assert faces.crops(slice(0, 2)).shape == (2, 224, 224, 3)


def test_a_shape_far_from_square_is_refused(zipped, tmp_path):
    with pytest.raises(DataError, match="do not fill the shape 56x112"):
        read_faces(zipped, 56, 112, cache=tmp_path)


def test_a_folder_of_people_is_read_as_before(people, tmp_path):
    faces = read_faces(people, 32, 40, cache=tmp_path)
    assert faces.pixels.shape == (60, 40, 32, 3)
    assert (faces.margin, faces.crop, faces.teacher) == (0, "box", None)
    assert np.array_equal(faces.crops(), faces.pixels)


def test_some_people_of_a_cached_set_are_the_same_as_of_one_in_memory(zipped, tmp_path, monkeypatch):
    plain = read(zipped, tmp_path / "cache").of(np.array([2, 0]))
    monkeypatch.setattr(facecache, "IN_MEMORY_BYTES", 0)
    cached = read(zipped, tmp_path / "cache").of(np.array([2, 0]))
    assert cached.people == plain.people == ("Carl", "Ada")
    assert np.array_equal(cached.labels, plain.labels)
    assert np.array_equal(cached.pixels[:], plain.pixels)
    assert np.array_equal(cached.teacher, plain.teacher)


def test_people_set_aside_are_not_trained_on():
    faces = FaceSet(np.zeros((12, 4, 4, 3), np.uint8), np.repeat(np.arange(6), 2), tuple("abcdef"))
    train, validation = split_people(faces, 2, seed=1)
    assert sorted(train.people + validation.people) == list("abcdef")
    assert len(validation.people) == 2
    assert split_people(faces, 0, seed=1) == (faces, None)
    with pytest.raises(DataError, match="cannot set 5 of 6 people aside"):
        split_people(faces, 5, seed=1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "faces.csv").unlink(), "has no table"),
        (lambda folder: (folder / "faces.csv").write_text("path,name\na,b\n"), "has no column person"),
        (lambda folder: (folder / "faces.csv").write_text("path,person\na,b\n"), "no row for any of the 9 members"),
        (lambda folder: (folder / "train.zip").write_bytes(b"PK no zip"), "is not a readable zip"),
        (lambda folder: (folder / "train.zip").unlink(), "train.zip does not exist"),
        (lambda folder: write_table(folder, [(p, who, "x") for p, who, _ in rows()]), "teacher_row is 'x'"),
        (lambda folder: write_table(folder, [(p, who, 99) for p, who, _ in rows()]), "does not match its table"),
        (lambda folder: (folder / "teacher.npy").write_bytes(b"no array"), "does not match its table"),
    ],
)
def test_an_unreadable_data_set_is_a_clear_error(zipped, tmp_path, spoil, message):
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        read(zipped, tmp_path / "cache")


def test_the_shared_validation_faces_are_complete(shared_data):
    source = source_of(shared_data / "val.zip")
    assert len({entry.person for entry in source.entries}) == 440
    assert len(source.entries) == 2926
    assert source.decode(source.entries[0]).shape == (128, 128, 3)


def test_several_zips_with_one_table_make_one_set(zipped, tmp_path):
    with zipfile.ZipFile(tmp_path / "extra.zip", "w") as archive:
        archive.writestr("extra/0.webp", encoded(face(9)))
    write_table(tmp_path, [*rows(), ("extra/0.webp", "extra 0", 9)])
    alone = read(zipped, tmp_path / "cache")
    both = read(zipped, tmp_path / "cache", more=[tmp_path / "extra.zip"])
    assert both.people == (*alone.people, "extra 0")
    assert np.array_equal(both.pixels[: len(alone.labels)], alone.pixels)
    assert np.array_equal(both.pixels[-1], face(9))
    assert np.array_equal(both.teacher[:-1], alone.teacher)


def test_aligned_faces_and_a_folder_of_people_make_no_common_set(zipped, tmp_path, people):
    with pytest.raises(DataError, match="cannot join .* into one training set"):
        read(zipped, tmp_path / "cache", more=[people])


def test_a_face_that_the_teacher_sees_far_from_its_person_gets_a_person_of_its_own():
    towards = np.eye(4, dtype=np.float32)
    teacher = np.stack([towards[0], towards[0], towards[0], towards[3], towards[1], towards[1]])
    labels = np.array([0, 0, 0, 0, 1, 1])
    faces = FaceSet(np.zeros((6, 8, 8, 3), np.uint8), labels, ("Ada", "Ben"), teacher=teacher)
    found = without_doubtful_names(faces, limit=1.5)
    assert found.labels.tolist() == [0, 0, 0, 2, 1, 1]
    assert found.people[2].startswith("Ada")
    assert without_doubtful_names(faces, limit=2.5).labels.tolist() == labels.tolist()


def test_doubtful_names_without_a_teacher_are_a_clear_error():
    faces = FaceSet(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 0]), ("Ada",))
    with pytest.raises(DataError, match="needs a teacher's embedding"):
        without_doubtful_names(faces, limit=1.0)
