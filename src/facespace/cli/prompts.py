"""Questions to the user, if the command runs in a terminal."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from facespace.cli.output import errors, photo_name

if TYPE_CHECKING:
    from facespace.gallery import ChooseFace, Doubt
    from facespace.images import Photo
    from facespace.space import Face


def is_interactive() -> bool:
    """Return whether a user is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def which_face(name: str) -> "ChooseFace":
    """Return a function that asks which of the faces in a photo is that of the person `name`."""

    def choose(photo: "Photo", faces: "Sequence[Face]") -> int | None:
        errors.print(f"{photo_name(photo)} shows {len(faces)} faces:", markup=False, highlight=False)
        for number, face in enumerate(faces, start=1):
            left, top, right, bottom = (round(edge) for edge in face.box)
            errors.print(f"  {number}: from {left}, {top} to {right}, {bottom}", markup=False, highlight=False)
        asked = f"Which face is {name}? Enter 1 to {len(faces)}, or 0 for none"
        while not 0 <= (number := typer.prompt(asked, default=0, type=int, err=True)) <= len(faces):
            continue
        return number - 1 if number else None

    return choose


def enrol_anyway(doubt: "Doubt") -> bool:
    """Ask whether to enrol photos that look like somebody else."""
    which = photo_name(doubt.photos[0]) if len(doubt.photos) == 1 else f"the {len(doubt.photos)} photos"
    errors.print(f"{which}: {doubt.reason}", markup=False, highlight=False)
    return typer.confirm(f"Enrol as {doubt.name} anyway?", default=False, err=True)
