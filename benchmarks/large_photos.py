"""Measure memory and time to find the faces of a photo, in a separate process each.

    python benchmarks/large_photos.py ../shared/cases/phone_12mp.jpg

Also measures the photo at twice its size, as JPEG and PNG, and the decoders alone, in bytes per pixel.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

FIND = """
import sys, time
import numpy as np
from facespace.faces import default_finder
finder = default_finder()
finder.detector([np.zeros((64, 64, 3), np.uint8)])
before, started = peak(), time.process_time()
found = finder.find(sys.argv[1])
print(f"{len(found.faces)} faces of {found.width} x {found.height} pixels, {time.process_time() - started:.1f} s CPU, "
      f"{peak():.0f} MB, of which {before:.0f} MB before the photo")
"""
DECODE = """
import sys
from PIL import Image
if sys.argv[1].endswith("heic"):
    import pillow_heif
    pillow_heif.register_heif_opener(thumbnails=False)
before = peak()
image = Image.open(sys.argv[1])
image.load()
print(f"decoding {image.format}: {(peak() - before) * 1024**2 / (image.width * image.height):.1f} bytes per pixel")
"""
PEAK = """
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    photo = parser.parse_args().photo
    with tempfile.TemporaryDirectory() as folder:
        image = Image.open(photo).convert("RGB")
        enlarged = image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
        enlarged.save(Path(folder) / "enlarged.jpg", quality=90)
        enlarged.save(Path(folder) / "enlarged.png", compress_level=1)
        for path in (photo, Path(folder) / "enlarged.jpg", Path(folder) / "enlarged.png"):
            print(path.name, run(FIND, path), sep=": ")
        for ending in ("png", "tif", "webp", "jp2", "avif", "heic"):
            path = Path(folder) / f"photo.{ending}"
            try:
                if ending == "heic":
                    import pillow_heif

                    pillow_heif.register_heif_opener()
                image.save(path)
            except (ModuleNotFoundError, ValueError, KeyError) as error:
                print(f"{ending}: {error}")
                continue
            print(run(DECODE, path))


def run(code: str, path: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", PEAK + code, path], capture_output=True, text=True, check=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
