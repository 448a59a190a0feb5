"""Bytes to images: RGB, upright, within limits; and where photos lie in folders."""

from facespace.images.decode import Image, Limits, Photo, name_of, read_image
from facespace.images.folder import people_in, photos_in
from facespace.images.scale import resize

__all__ = ["Image", "Limits", "Photo", "name_of", "people_in", "photos_in", "read_image", "resize"]
