"""Enrolling everybody in a folder that has one subfolder of photos for each person."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from facespace.errors import GalleryError
from facespace.gallery.enrol import LEAST_QUALITY, ChooseFace, Enrolment
from facespace.gallery.gallery import Gallery
from facespace.images import OnPassed, people_in, text_of


@dataclass(frozen=True)
class EnrolledPerson:
    """What became of one person of a folder.

    name : of the subfolder; bytes of it that are not UTF-8 are escaped, see `text_of`
    photos : how many it has
    enrolment : what was enrolled; None where nothing was
    failure : why nothing was enrolled, or None
    """

    name: str
    photos: int
    enrolment: Enrolment | None = None
    failure: str | None = None


def enrol_people(
    gallery: Gallery,
    folder: str | os.PathLike[str],
    least_quality: float = LEAST_QUALITY,
    keep: bool = False,
    choose: ChooseFace | None = None,
    accept_doubtful: bool = False,
    on_passed: OnPassed | None = None,
) -> Iterator[EnrolledPerson]:
    """Enrol the people of FOLDER/PERSON/photo.jpg, one after the other, each under the name of their subfolder.

    Somebody who cannot be enrolled has a failure and the rest go on. Photos that are in the gallery already are not
    added again, so that the same call can go on where it was stopped.

    Parameters
    ----------
    gallery : Gallery
    folder : path
    least_quality, keep, choose, accept_doubtful
        As for `Gallery.enrol`.
    on_passed : callable or None
        Given each file and folder that is passed over, such as a photo in no person's subfolder; a warning where None.

    Raises
    ------
    DataError
        No such folder, or nobody in it.
    """
    for entry, photos in people_in(folder, on_passed).items():
        name = text_of(entry)
        try:
            done = gallery.enrol(name, photos, None, least_quality, keep, choose, accept_doubtful)
        except GalleryError as error:
            yield EnrolledPerson(name, len(photos), failure=str(error))
        else:
            yield EnrolledPerson(name, len(photos), done)
