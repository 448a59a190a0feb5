"""Faces of many photos: order, failures, memory, stopping."""

import io
import itertools
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facespace.errors import ImageError
from facespace.faces import CROPS, Finder, Mtcnn, WholePhoto, default_finder, find_stream
from facespace.faces import stream as module


@pytest.fixture(scope="module")
def finder():
    return default_finder()


@pytest.fixture(scope="module")
def photos(portraits, lay_out_faces):
    """Photos of no, one, two and three faces, as PNG bytes, and a damaged one."""
    made = [np.full((60, 80, 3), 99, np.uint8), *(lay_out_faces(portraits[:count])[0] for count in (1, 2, 3))]
    encoded = []
    for image in made:
        target = io.BytesIO()
        Image.fromarray(image).save(target, "PNG")
        encoded.append(target.getvalue())
    return [*encoded[:2], b"no photo", *encoded[2:]]


def same(a, b):
    return (
        a.failure == b.failure
        and (a.width, a.height) == (b.width, b.height)
        and len(a.faces) == len(b.faces)
        and all(
            np.allclose(x.box, y.box, atol=0.01) and np.abs(x.pixels.astype(int) - y.pixels).max() <= 1
            for x, y in zip(a.faces, b.faces, strict=True)
        )
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stream_matches_single_photos_in_order(finder, photos, workers):
    many = photos * 5
    found = list(find_stream(finder, iter(many), workers))
    assert [result.photo for result in found] == many
    assert [len(result.faces) for result in found[:5]] == [0, 1, 0, 2, 3]
    for photo, result in zip(photos, found, strict=False):
        if result.failure is None:
            assert same(finder.find(photo), result)
        else:
            assert "not an image" in result.failure


def test_one_photo_that_cannot_be_used_is_an_error(finder):
    with pytest.raises(ImageError, match="not an image"):
        finder.find(b"no photo")


def test_no_photos_give_no_faces(finder):
    assert list(find_stream(finder, [])) == []
    assert finder.find_all([]) == []


def test_photos_are_read_only_as_needed():
    taken = itertools.count()
    last = 0

    def endless():
        nonlocal last
        while True:
            last = next(taken)
            yield np.zeros((8, 8, 3), np.uint8)

    stream = find_stream(Finder(WholePhoto(), CROPS["box"], 8, 8), endless(), workers=2)
    for _ in range(20):
        next(stream)
    assert last < 20 + 8 * module.GROUP
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("find")]


def test_large_photos_are_processed_one_at_a_time(monkeypatch, photos):
    sizes = []

    class Counting(Mtcnn):
        second_look = None

        def __call__(self, images):
            sizes.append(len(images))
            return super().__call__(images)

    monkeypatch.setattr(module, "HELD", 1)
    finder = Finder(Counting(), CROPS["arcface-112"], 112, 112)
    assert [len(result.faces) for result in finder.find_all(photos)] == [0, 1, 0, 2, 3]
    assert sizes == [1, 1, 1, 1, 0]


def test_a_photo_scaled_down_first_has_its_faces_in_pixels_of_the_photo(finder, portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:2], 4)
    whole, reduced = finder.find(image), default_finder(longest=300).find(image)
    assert (reduced.width, reduced.height) == (whole.width, whole.height)
    for a, b in zip(whole.faces, reduced.faces, strict=True):
        assert np.abs(a.landmarks - b.landmarks).max() < 0.1 * a.quality.eye_distance
        # Where a head is cut off at the brow, its box is a guess.
        assert np.abs(np.array(a.box) - b.box).max() < 0.6 * a.quality.eye_distance
        assert b.quality.eye_distance == pytest.approx(a.quality.eye_distance, rel=0.1)


def test_an_interrupt_ends_the_stream_and_its_threads(finder, photos):
    stream = find_stream(finder, itertools.cycle(photos), workers=2)
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("find")]


def test_a_48_megapixel_photo_needs_bounded_memory(people, tmp_path):
    photo = Image.new("RGB", (8064, 6048), (128, 128, 128))
    photo.paste(Image.open(people / "s1" / "1.pgm").resize((1380, 1680)), (4000, 2000))
    photo.save(tmp_path / "phone.jpg", quality=80)
    code = (
        "import sys\n"
        "from facespace.faces import default_finder\n"
        "found = default_finder().find(sys.argv[1])\n"
        "(face,) = found.faces\n"
        "assert (found.width, found.height) == (8064, 6048)\n"
        "assert 4000 < face.landmarks[2, 0] < 5380 and 2000 < face.landmarks[2, 1] < 3680, face.landmarks\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print([line.split()[1] for line in lines if line.startswith('VmHWM')][0])\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from /proc")
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "phone.jpg"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 500_000


def test_a_truncated_photo_is_accepted_if_the_finder_allows_it(cases):
    photo = cases / "missing_end_marker.jpg"
    assert "truncated" in default_finder().find_all([photo])[0].failure
    assert replace(default_finder(), truncated=True).find(photo).faces
