"""Enrol everybody in a folder that has one subfolder of photos per person."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from facespace.errors import GalleryError
from facespace.gallery.enrol import MIN_QUALITY, ChooseFace, Enrolment
from facespace.gallery.gallery import Gallery
from facespace.images import OnSkipped, people_in, text_of


@dataclass(frozen=True)
class EnrolledPerson:
    """The result for one person of a folder.

    name : of the subfolder; bytes that are not UTF-8 are escaped, see `text_of`
    photos : number of photos in the subfolder
    enrolment : the result; None if nothing was enrolled
    failure : why nothing was enrolled, or None
    """

    name: str
    photos: int
    enrolment: Enrolment | None = None
    failure: str | None = None


def enrol_people(
    gallery: Gallery,
    folder: str | os.PathLike[str],
    min_quality: float = MIN_QUALITY,
    keep: bool = False,
    choose: ChooseFace | None = None,
    accept_doubtful: bool = False,
    on_skipped: OnSkipped | None = None,
) -> Iterator[EnrolledPerson]:
    """Enrol the people of FOLDER/PERSON/photo.jpg one after the other, under the names of their subfolders.

    A person who cannot be enrolled is reported as a failure, and the others are enrolled. Photos that the gallery has
    already are not added again, so an interrupted call can be repeated.

    Parameters
    ----------
    gallery : Gallery
    folder : path
    min_quality, keep, choose, accept_doubtful
        As for `Gallery.enrol`.
    on_skipped : callable or None
        Called with each file and folder that is ignored, such as a photo outside the subfolders; None warns instead.

    Raises
    ------
    DataError
        The folder does not exist, or has no person in it.
    """
    for entry, photos in people_in(folder, on_skipped).items():
        name = text_of(entry)
        try:
            done = gallery.enrol(name, photos, None, min_quality, keep, choose, accept_doubtful)
        except GalleryError as error:
            yield EnrolledPerson(name, len(photos), failure=str(error))
        else:
            yield EnrolledPerson(name, len(photos), done)
