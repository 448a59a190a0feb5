"""Read videos as streams of frames. Needs the extra `video` (PyAV)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facespace.errors import FacespaceError, ImageError
from facespace.filenames import text_of
from facespace.images.decode import Image, Limits

VIDEO_EXTENSIONS = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".3gp", ".wmv"})


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    pixels : uint8, shape (h, w, 3), RGB, upright
    number : counted from 0 over all frames, including skipped ones
    seconds : timestamp
    """

    pixels: Image
    number: int
    seconds: float


def read_video(path: str | os.PathLike[str], step: int = 1, limits: Limits | None = None) -> Iterator[Frame]:
    """Iterate over the frames of a video; memory use does not depend on its length.

    Parameters
    ----------
    path : path
    step : int
        Return every step-th frame, starting with the first. The others are decoded but not converted.
    limits : Limits or None
        Limits the pixels of a frame; the file may have any size.

    Yields
    ------
    Frame
        The frames that can be decoded; a damaged packet loses only its own frames.

    Raises
    ------
    ImageError
        The file is missing, not a video, or its frames exceed the limit.
    FacespaceError
        The extra is not installed.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise FacespaceError("reading videos needs the package av: pip install 'facespace[video]'") from None
    if step < 1:
        raise ImageError(f"the frame step must be at least 1, not {step}")
    limits, name = limits or Limits(), text_of(path)
    if not Path(path).is_file():
        raise ImageError(f"cannot read {name}: no such file; check the path")
    try:
        with av.open(os.fspath(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise ImageError(f"{name} has no video stream; use a video file")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise ImageError(f"{name} has a video format that is not supported; convert it to MP4")
            stream.thread_type = "AUTO"
            _check_pixels(stream, name, limits)
            number = 0
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue
                for frame in frames:
                    if number % step == 0:
                        _check_pixels(frame, name, limits)
                        # Apply the rotation stored in the file, which counts anticlockwise.
                        pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
                        yield Frame(np.ascontiguousarray(pixels), number, float(frame.time or 0.0))
                    number += 1
    except (av.error.FFmpegError, ValueError) as error:
        raise ImageError(f"{name} is not a readable video ({error}); convert it to MP4") from None
    if number == 0:
        raise ImageError(f"{name} is damaged: none of its frames can be decoded; get the file again")


def _check_pixels(sized: Any, name: str, limits: Limits) -> None:
    if sized.width * sized.height > limits.pixels:
        raise ImageError(
            f"frames of {name} have {sized.width:,} x {sized.height:,} pixels, more than the {limits.pixels:,} allowed"
        )
