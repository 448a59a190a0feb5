"""Frames of videos."""

import numpy as np
import pytest

from facespace.errors import ImageError
from facespace.images import Limits, read_video

av = pytest.importorskip("av", reason="reading videos needs the extra `video`")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Twenty frames at ten per second, each brighter than the previous one; the left half is black."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(20):
            picture = np.full((48, 64, 3), number * 12, np.uint8)
            picture[:, :32] = 0
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def test_every_frame_has_a_timestamp(film):
    frames = list(read_video(film))
    assert [frame.number for frame in frames] == list(range(20))
    assert [frame.seconds for frame in frames] == pytest.approx([number / 10 for number in range(20)])
    assert [int(frame.pixels[:, 40:].mean()) for frame in frames] == pytest.approx([12 * n for n in range(20)], abs=6)
    assert frames[-1].pixels[:, :24].max() < 16


def test_a_step_skips_frames(film):
    assert [frame.number for frame in read_video(film, step=7)] == [0, 7, 14]


def test_an_invalid_video_is_named(film, tmp_path):
    (tmp_path / "letter.mp4").write_text("Dear Ada")
    with pytest.raises(ImageError, match=r"letter\.mp4 is not a readable video"):
        list(read_video(tmp_path / "letter.mp4"))
    with pytest.raises(ImageError, match="no such file"):
        list(read_video(tmp_path / "absent.mp4"))
    with pytest.raises(ImageError, match="64 x 48 pixels, more than the 100 allowed"):
        list(read_video(film, limits=Limits(pixels=100)))
    with pytest.raises(ImageError, match="at least 1"):
        list(read_video(film, step=0))


def test_a_damaged_video_gives_its_readable_frames_or_an_error(film, tmp_path, rng):
    whole = film.read_bytes()
    for attempt in range(30):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), 20):
            content[place] = rng.integers(0, 256)
        (tmp_path / "bad.mp4").write_bytes(content[: rng.integers(100, len(content))] if attempt % 2 else content)
        try:
            frames = list(read_video(tmp_path / "bad.mp4"))
        except ImageError:
            continue
        assert all(frame.pixels.shape == (48, 64, 3) for frame in frames)
