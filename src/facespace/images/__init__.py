"""Bytes to images: RGB, upright, within limits; and where photos lie in folders and videos."""

from facespace.images.decode import Decoded, Image, Limits, Photo, decode_photo, name_of, read_image, write_image
from facespace.images.folder import EXTENSIONS, natural, people_in, photos_in, walk_photos
from facespace.images.given import Colour, as_photo, called
from facespace.images.scale import resize, small_picture
from facespace.images.video import VIDEO_EXTENSIONS, Frame, read_video

__all__ = [
    "EXTENSIONS",
    "VIDEO_EXTENSIONS",
    "Colour",
    "Decoded",
    "Frame",
    "Image",
    "Limits",
    "Photo",
    "as_photo",
    "called",
    "decode_photo",
    "name_of",
    "natural",
    "people_in",
    "photos_in",
    "read_image",
    "read_video",
    "resize",
    "small_picture",
    "walk_photos",
    "write_image",
]
