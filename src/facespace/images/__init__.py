"""Read photos from files, folders and videos: decode to upright RGB, within limits."""

from facespace.filenames import path_of, printable, text_of, writable
from facespace.images.decode import Decoded, Image, Limits, Photo, decode_photo, name_of, read_image, write_image
from facespace.images.folder import (
    MARKER,
    OnSkipped,
    Skipped,
    is_output,
    mark_as_output,
    natural,
    people_in,
    photos_in,
    summary_of,
    walk_photos,
)
from facespace.images.formats import EXTENSIONS
from facespace.images.given import Colour, as_photo, called
from facespace.images.scale import resize, small_picture
from facespace.images.video import VIDEO_EXTENSIONS, Frame, read_video

__all__ = [
    "EXTENSIONS",
    "MARKER",
    "VIDEO_EXTENSIONS",
    "Colour",
    "Decoded",
    "Frame",
    "Image",
    "Limits",
    "OnSkipped",
    "Photo",
    "Skipped",
    "as_photo",
    "called",
    "decode_photo",
    "is_output",
    "mark_as_output",
    "name_of",
    "natural",
    "path_of",
    "people_in",
    "photos_in",
    "printable",
    "read_image",
    "read_video",
    "resize",
    "small_picture",
    "summary_of",
    "text_of",
    "walk_photos",
    "writable",
    "write_image",
]
