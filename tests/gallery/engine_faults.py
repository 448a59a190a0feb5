"""Kill processes that enrol and search through a vector engine, and count what is left.

python tests/gallery/engine_faults.py KILLS [SEED]    # kill one of two writers at this many random moments

One writer is killed again and again while another goes on. Each prints a person after the enrolment was acknowledged,
and then searches, which writes the change to the engine. Afterwards all acknowledged people are searched for.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def write(path: str, own: str) -> None:
    """Enrol and search for as long as this lives; print each name before and after, and after the search."""
    from points import NamedSpace, new_faces

    from facespace.gallery import Gallery

    with Gallery(path, NamedSpace()) as gallery:
        number = 0
        while True:
            number += 1
            name = f"{own}-{number}"
            print("begin", name, flush=True)
            gallery.store.add(name, new_faces(name))
            print("done", name, flush=True)
            found = gallery.identify(f"{name}/1", audit=False)[0].name
            print("found" if found == name else "missed", name, flush=True)


def started(path: Path, own: str) -> subprocess.Popen[str]:
    words = [sys.executable, __file__, "--write", str(path), own]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def main(kills: int, seed: int) -> None:
    from points import NamedSpace, new_faces

    from facespace.gallery import Gallery

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path, place = Path(folder) / "people.db", f"lancedb:{folder}/engine"
        with Gallery(path, NamedSpace()) as gallery:
            gallery.store.add_all([(f"P{i}", new_faces(f"P{i}"), None) for i in range(100)])
            gallery.index.use(place)
            gallery.index.build()
        lines, last = [], []
        lasting = started(path, "lasting")
        for kill in range(kills):
            killed = started(path, f"killed {kill}")
            assert killed.stdout is not None
            first = killed.stdout.readline()
            time.sleep(rng.uniform(0, 2))
            killed.send_signal(signal.SIGKILL)
            own = [first.split()[0], *(line.split()[0] for line in killed.communicate()[0].splitlines())]
            last.append(own[-1])
            lines += [(word, f"killed {kill}-{1 + place // 3}") for place, word in enumerate(own)]
        went_on = lasting.poll() is None
        lasting.send_signal(signal.SIGKILL)
        lines += [tuple(line.split(maxsplit=1)) for line in lasting.communicate()[0].splitlines()]
        acknowledged = [name for word, name in lines if word == "done"]
        with Gallery(path, NamedSpace()) as gallery:
            kept = {person.name for person in gallery.people()}
            found = [gallery.identify(f"{name}/2", audit=False)[0].name for name in acknowledged]
            ids = sorted(gallery.index._shared._engine._points().to_arrow()["id"].to_pylist())
            whole = ids == sorted(person.id for person in gallery.people())
    enrolling, searching = last.count("begin"), last.count("done")
    print(
        f"{kills} kills: {enrolling} while enrolling, {searching} while searching and writing to the engine, "
        f"{kills - enrolling - searching} between; the other writer went on: {went_on}\n"
        f"{len(acknowledged)} people acknowledged, {len(set(acknowledged) & kept)} kept, "
        f"{sum(a == b for a, b in zip(acknowledged, found, strict=True))} found afterwards, "
        f"{sum(word == 'missed' for word, _ in lines)} missed by the search after their enrolment\n"
        f"the engine holds the people of the store and no others: {whole}"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    if sys.argv[1] == "--write":
        write(*sys.argv[2:])
    else:
        main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
