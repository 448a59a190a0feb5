"""A worker that changes a gallery at random and reports each change, and a checker for what it leaves when killed.

python tests/gallery/faults.py KILLS [SEED]    # kill it at this many random moments, and count
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


def work(path: str, seed: int) -> None:
    """Enrol, delete, merge, undo, rename and upgrade forever; print a line before and after each change."""
    from points import NamedSpace, new_faces

    from facespace.gallery import Gallery, space_of, upgrade

    rng = random.Random(seed)
    number = 0
    while True:
        spaces = {name * 64: NamedSpace(name * 64) for name in "ab"}
        space = spaces[space_of(path)[0]] if Path(path).exists() and Path(path).stat().st_size else spaces["a" * 64]
        with Gallery(path, space) as gallery:
            names = [person.name for person in gallery.people()]
            for _ in range(12):
                kind = rng.choice(["enrol"] * 4 + ["remove", "merge", "undo", "rename"])
                number += 1
                if kind == "enrol" or len(names) < 4:
                    name = f"{seed}-{number}"
                    action = ["enrol", name, rng.randint(1, 6)]
                    change = lambda: gallery.store.add(action[1], new_faces(action[1], action[2]))  # noqa: B023, E731
                elif kind == "undo":
                    action = ["undo", rng.choice(names)]
                    change = lambda: gallery.undo_merge(action[1])  # noqa: B023, E731
                else:
                    one, other = rng.sample(names, 2)
                    action = [kind, one] if kind == "remove" else [kind, one, other if kind == "merge" else f"{one}'"]
                    change = lambda: getattr(gallery, action[0])(*action[1:])  # noqa: B023, E731
                print(json.dumps(["begin", *action]), flush=True)
                try:
                    change()
                    print(json.dumps(["done", *action]), flush=True)
                except Exception as error:
                    if "nobody was merged" not in str(error) and "rename them first" not in str(error):
                        raise
                    print(json.dumps(["refused", *action]), flush=True)
                names = [person.name for person in gallery.people()]
        target = "b" if space.id[0] == "a" else "a"
        print(json.dumps(["begin", "upgrade", target]), flush=True)
        upgrade(path, spaces[target * 64])
        print(json.dumps(["done", "upgrade", target]), flush=True)


class Model:
    """Expected content of a gallery: people with their number of faces, and the merges that can be undone."""

    def __init__(self) -> None:
        self.people: dict[str, int] = {}
        self.merges: list[tuple[str, str, int]] = []

    def apply(self, kind: str, *values: object) -> None:
        if kind == "enrol":
            self.people[values[0]] = self.people.get(values[0], 0) + values[1]
        elif kind == "remove":
            del self.people[values[0]]
            gone = {values[0]}
            while any(into in gone and name not in gone for name, into, _ in self.merges):
                gone |= {name for name, into, _ in self.merges if into in gone}
            self.merges = [merge for merge in self.merges if merge[1] not in gone]
        elif kind == "merge":
            count = self.people.pop(values[0])
            self.people[values[1]] += count
            self.merges.append((values[0], values[1], count))
        elif kind == "undo":
            place = max(i for i, merge in enumerate(self.merges) if merge[1] == values[0])
            name, into, count = self.merges.pop(place)
            self.people[into] -= count
            self.people[name] = count
        elif kind == "rename":
            self.people[values[1]] = self.people.pop(values[0])
            self.merges = [(name, values[1] if into == values[0] else into, n) for name, into, n in self.merges]

    def copy(self) -> "Model":
        other = Model()
        other.people, other.merges = dict(self.people), list(self.merges)
        return other


@dataclass
class Counts:
    """Kills; acknowledged changes; kills during a change, and how many of those changes were applied."""

    kills: int = 0
    acknowledged: int = 0
    in_the_middle: int = 0
    of_these_done: int = 0


def torment(folder: Path, kills: int, seed: int = 0, longest: float = 0.4) -> Counts:
    """Kill the worker at random moments and check the gallery each time; AssertionError if something is lost."""
    from points import NamedSpace

    from facespace.gallery import Gallery, check, space_of

    path, model, counts, rng = folder / "people.db", Model(), Counts(), random.Random(seed)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    for kill in range(kills):
        process = subprocess.Popen(
            [sys.executable, __file__, "work", str(path), str(1000 * seed + kill)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        lines = [process.stdout.readline()]
        time.sleep(rng.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL, "the worker stopped by itself"
        open_change = None
        for line in lines:
            if line.endswith("\n"):
                state, *change = json.loads(line)
                open_change = change if state == "begin" else None
                if state == "done":
                    counts.acknowledged += 1
                    model.apply(*change)
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.close()
        with Gallery(path, NamedSpace(space_of(str(path))[0])) as gallery:
            check(gallery.store)
            held = {person.name: person.faces for person in gallery.people()}
            models = {face.model for face in gallery.store.faces()}
            assert models <= {gallery.store.space_id}, "half an upgrade"
        counts.kills += 1
        counts.in_the_middle += open_change is not None
        if held != model.people:
            after = model.copy()
            assert open_change is not None, (held, model.people)
            after.apply(*open_change)
            assert held == after.people, f"neither before nor after {open_change}"
            counts.of_these_done += 1
            model = after
    return counts


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(sys.argv[2], int(sys.argv[3]))
    else:
        sys.path.insert(0, str(HERE))
        with tempfile.TemporaryDirectory() as temporary:
            print(torment(Path(temporary), int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
