"""Draw docs/pictures/session.svg: what the commands of the README answer, with drawings in place of the photos.

    python docs/plots/session.py ../shared/data

Runs the commands on photos of four people of LFW (README.md of that folder), whose names are changed, and shows their
output as it is. The photos may not be in the repository: a drawing stands at each face that was found.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from style import PICTURES

from facespace.gallery import Gallery
from facespace.space import Face, load

# Names in the picture, for the first people of LFW with six photos whose first five show one face each.
NAMES = ("Ada", "Ben", "Cleo", "Dan")
# Dan is not enrolled.
ENROLLED = NAMES[:3]
PHOTOS, SIDE = 5, 250

COMMANDS = (
    "enrol Ada ada1.jpg ada2.jpg -g people.db",
    "identify party.jpg -g people.db",
    "verify ada1.jpg ada2.jpg",
    "cluster photos",
)

# Pixels of a character, of a line, and of the border.
WIDE, HIGH, EDGE = 8.4, 20, 24
COLUMNS = 80
PAGE, INK, SOFT, KNOWN, PROMPT = "#161b22", "#e6edf3", "#8b949e", "#4cc9c0", "#f0934e"
SHIRTS = ("#0b7a75", "#5b4bb5", "#c2570c", "#57606a")
HAIR = ("#3b2a20", "#20242a", "#6b4a2b", "#8b8f95")
SKINS = ("#c68863", "#e8b894", "#8d5a3b", "#d9a27e")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("data", type=Path)
    data = words.parse_args().data.resolve()
    with tempfile.TemporaryDirectory() as folder:
        lay_out(data, Path(folder))
        os.chdir(folder)
        for name in ENROLLED[1:]:
            answer(f"enrol {name} {name.lower()}1.jpg {name.lower()}2.jpg -g people.db")
        lines = [line for command in COMMANDS for line in (f"$ facespace {command}", *answer(command), "")]
        space = load()
        faces = space.faces("party.jpg")
        with Gallery("people.db", space) as people:
            names = [found.name for found in people.identify_faces(faces, audit=False)]
    PICTURES.joinpath("session.svg").write_text(drawn(faces, names, lines[:-1]), "utf-8")


def lay_out(data: Path, folder: Path) -> None:
    """Write two photos of each person, one photo of all four, and a folder of twelve photos without names."""
    (folder / "photos").mkdir()
    party = Image.new("RGB", (SIDE * len(NAMES), SIDE))
    with zipfile.ZipFile(data / "lfw.zip") as photos:
        for place, (name, own) in enumerate(zip(NAMES, chosen(photos), strict=False)):
            for number, photo in enumerate(own[:2], start=1):
                photo.save(folder / f"{name.lower()}{number}.jpg", quality=95)
            for number, photo in enumerate(own[:3]):
                photo.save(folder / "photos" / f"{1 + place + 4 * number:02d}.jpg", quality=95)
            party.paste(own[3], (SIDE * place, 0))
    party.save(folder / "party.jpg", quality=95)


def chosen(photos: zipfile.ZipFile) -> Iterator[list[Image.Image]]:
    """Yield the first photos of each person who can be used."""
    space = load()
    counts = Counter(name.split("/")[1] for name in photos.namelist() if name.endswith(".jpg"))
    for person in sorted(name for name, count in counts.items() if count == PHOTOS + 1):
        own = [
            Image.open(io.BytesIO(photos.read(f"lfw/{person}/{person}_{number:04d}.jpg")))
            for number in range(1, PHOTOS + 1)
        ]
        if all(len(space.faces(photo)) == 1 for photo in own):
            yield own


def answer(command: str) -> list[str]:
    """Return the lines that a command of facespace prints."""
    done = subprocess.run(
        [sys.executable, "-m", "facespace", *command.split()],
        env={**os.environ, "COLUMNS": str(COLUMNS)},
        capture_output=True,
        text=True,
        check=True,
    )
    print(done.stdout + done.stderr)
    return [line for long in done.stdout.splitlines() for line in wrapped(long.rstrip())]


def wrapped(line: str) -> list[str]:
    """Wrap a line between words, as the commands do in a terminal of `COLUMNS` columns."""
    return [line] if len(line) <= COLUMNS else textwrap.wrap(line, COLUMNS)


def drawn(faces: list[Face], names: list[str | None], lines: list[str]) -> str:
    """Draw the photo of all four with the names that were found, and the lines of the terminal below it."""
    wide = 2 * EDGE + COLUMNS * WIDE
    scale = COLUMNS * WIDE / (SIDE * len(NAMES))
    tall = SIDE * scale
    top = EDGE + tall + EDGE
    parts = [
        f'<rect width="{wide:.0f}" height="{top + len(lines) * HIGH + EDGE:.0f}" rx="10" fill="{PAGE}"/>',
        f'<g transform="translate({EDGE} {EDGE})"><clipPath id="photo"><rect width="{COLUMNS * WIDE:.0f}" '
        f'height="{tall:.0f}" rx="6"/></clipPath><g clip-path="url(#photo)">'
        f'<rect width="{COLUMNS * WIDE:.0f}" height="{tall:.0f}" fill="#2b3440"/>',
        *(person(number, scale * np.array(face.box), scale * face.landmarks) for number, face in enumerate(faces)),
        *(label([scale * side for side in face.box], name) for face, name in zip(faces, names, strict=True)),
        "</g></g>",
    ]
    for number, line in enumerate(lines):
        if not line:
            continue
        colour = PROMPT if line.startswith("$") else INK
        parts.append(
            f'<text x="{EDGE}" y="{top + number * HIGH + 14:.0f}" fill="{colour}" textLength="{len(line) * WIDE:.1f}" '
            f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(line)}</text>'
        )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {top + len(lines) * HIGH + EDGE:.0f}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">\n'
        f"{body}\n</svg>\n"
    )


def person(number: int, box: NDArray[np.float64], landmarks: NDArray[np.float32]) -> str:
    """Draw shoulders, and a head that fills a box, with eyes and a mouth where the landmarks are."""
    left, top, right, bottom = box
    middle, wide, high = (left + right) / 2, right - left, bottom - top
    # Drawn heads face forward, so eyes and mouth of a turned head move towards the middle.
    points = np.stack([middle + 0.7 * (landmarks[:, 0] - middle), landmarks[:, 1]], axis=1)
    eyes, mouth = points[:2], points[3:]
    skin = SKINS[number % 4]
    oval = '<ellipse cx="{:.1f}" cy="{:.1f}" rx="{:.1f}" ry="{:.1f}" fill="{}"/>'.format
    return "".join(
        [
            oval(middle, bottom + 0.8 * high, 1.1 * wide, 0.8 * high, SHIRTS[number % 4]),
            oval(middle, top + 0.36 * high, 0.52 * wide, 0.5 * high, HAIR[number % 4]),
            oval(middle, bottom + 0.02 * high, 0.2 * wide, 0.25 * high, skin),
            oval(middle, (top + bottom) / 2, 0.43 * wide, 0.49 * high, skin),
            *(oval(x, y, 2.6, 2.6, PAGE) for x, y in eyes),
            f'<path d="M {mouth[0][0]:.1f} {mouth[0][1]:.1f} Q {mouth[:, 0].mean():.1f} {mouth[:, 1].mean() + 7:.1f} '
            f'{mouth[1][0]:.1f} {mouth[1][1]:.1f}" fill="none" stroke="{PAGE}" stroke-width="2.2"/>',
        ]
    )


def label(box: list[float], name: str | None) -> str:
    """Draw a box with a name below it."""
    left, top, right, bottom = box
    colour, text = (KNOWN, name) if name else (SOFT, "unknown")
    wide = 9 * len(text) + 12
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="2.5" rx="3"/><rect x="{left - 1:.1f}" y="{bottom + 3:.1f}" '
        f'width="{wide}" height="22" fill="{colour}" rx="3"/><text x="{left + 5:.1f}" y="{bottom + 19:.1f}" '
        f'font-weight="bold" fill="{PAGE}">{escape(text)}</text>'
    )


if __name__ == "__main__":
    main()
