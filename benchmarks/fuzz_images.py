"""Claim: no damaged image causes a crash, a hang or excessive memory use; each gives a photo or an ImageError.

Damages photos of many formats in three ways: flipped bits, truncation, and wrong headers (bytes near the beginning set
to large or random values). Each is decoded in a child process with a memory limit, and timed.

    python benchmarks/fuzz_images.py [--images 10000]
"""

import argparse
import collections
import io
import multiprocessing
import multiprocessing.connection
import resource
import time

import numpy as np
from PIL import Image

from facespace.errors import ImageError
from facespace.images import Limits, decode_photo

MEMORY = 1 << 30
LIMITS = Limits(pixels=16_000_000)


def originals() -> list[bytes]:
    """Return a picture in each supported format and mode."""
    rows, columns = np.mgrid[:240, :320]
    picture = np.stack([rows, columns % 256, (rows * columns) % 256], axis=2).astype(np.uint8)
    image = Image.fromarray(picture)
    exif = Image.Exif()
    exif[0x0112] = 6
    made: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("JPEG", image, {"exif": exif}),
        ("JPEG", image, {"progressive": True}),
        ("JPEG", image.convert("CMYK"), {}),
        ("PNG", image, {}),
        ("PNG", image.convert("P"), {}),
        ("PNG", Image.fromarray((rows * 250).astype(np.uint16)), {}),
        ("PNG", image.convert("RGBA"), {"exif": exif}),
        ("WEBP", image, {}),
        ("WEBP", image, {"lossless": True}),
        ("TIFF", image, {"compression": "tiff_lzw"}),
        ("TIFF", image, {"compression": "jpeg"}),
        ("TIFF", image.convert("CMYK"), {}),
        ("BMP", image, {}),
        ("GIF", image, {"save_all": True, "append_images": [image.rotate(90, expand=True)]}),
        ("PPM", image, {}),
    ]
    found = []
    for kind, picture_, options in made:
        target = io.BytesIO()
        picture_.save(target, kind, **options)
        found.append(target.getvalue())
    try:
        import pillow_heif

        target = io.BytesIO()
        pillow_heif.from_pillow(image).save(target)
        found.append(target.getvalue())
    except ImportError:
        print("HEIC is skipped: pillow-heif is not installed")
    return found


def damaged(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    how = ("bits flipped", "cut short", "lying header")[rng.integers(3)]
    data = bytearray(content)
    if how == "cut short":
        return how, bytes(data[: rng.integers(1, len(data))])
    if how == "bits flipped":
        for place in rng.integers(0, len(data), rng.integers(1, 50)):
            data[place] ^= 1 << rng.integers(8)
        return how, bytes(data)
    for _ in range(rng.integers(1, 4)):
        place, length = rng.integers(0, min(len(data), 400)), rng.integers(1, 9)
        value = rng.choice([0, 0x7F, 0xFF, int(rng.integers(256))])
        data[place : place + length] = bytes([int(value)] * int(length))
    return how, bytes(data)


def work(start: int, count: int, connection: multiprocessing.connection.Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY + (1 << 31), MEMORY + (1 << 31)))
    sources = originals()
    connection.send(("ready",))
    for number in range(start, start + count):
        rng = np.random.default_rng(number)
        content = sources[number % len(sources)]
        how, content = damaged(content, rng)
        connection.send(("begin", number))
        began = time.process_time()
        try:
            decode_photo(content, LIMITS, longest=int(rng.choice([64, 1000])), truncated=bool(rng.integers(2)))
            outcome = "a photo"
        except ImageError:
            outcome = "an ImageError"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        connection.send(("end", number, how, outcome, time.process_time() - began, peak))
    connection.send(("done",))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    total = parser.parse_args().images
    outcomes: collections.Counter[tuple[str, str]] = collections.Counter()
    slowest, peak, crashes, hangs, number = 0.0, 0.0, [], [], 0
    context = multiprocessing.get_context("spawn")
    while number < total:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(number, total - number, theirs))
        child.start()
        theirs.close()
        # Only the photo is timed; starting Python may take long on a busy machine.
        patience = 600
        while True:
            try:
                if not ours.poll(patience):
                    hangs.append(number)
                    child.kill()
                    break
                message = ours.recv()
            except EOFError:
                crashes.append(number)
                break
            patience = 60
            if message[0] == "ready":
                continue
            if message[0] == "begin":
                number = message[1]
            elif message[0] == "end":
                _, number, how, outcome, seconds, used = message
                outcomes[(how, outcome)] += 1
                slowest, peak = max(slowest, seconds), max(peak, used)
            else:
                number = total
                break
        child.join()
        # After a crash or a hang, continue with the next image in a new process.
        number = number if number == total else number + 1
    for (how, outcome), count in sorted(outcomes.items()):
        print(f"{how}: {outcome} {count:,} times")
    print(
        f"{sum(outcomes.values()):,} of {total:,} images: {len(crashes)} crashes {crashes[:5]}, {len(hangs)} hangs "
        f"{hangs[:5]}, slowest {slowest:.2f} s of CPU time, peak memory of the process {peak:.0f} MB"
    )


if __name__ == "__main__":
    main()
