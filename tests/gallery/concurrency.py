"""Search and change one gallery from many threads of one process, and count errors.

python tests/gallery/concurrency.py ROUNDS    # a longer run by hand
"""

import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass
class Searches:
    """Numbers of searches for a person who is always enrolled, and of searches that did not find them."""

    asked: int = 0
    missed: int = 0


@dataclass
class Changes:
    """Numbers of rounds, concurrent searches and removals; errors raised; deleted names found in the files."""

    rounds: int = 0
    searches: int = 0
    removals: int = 0
    errors: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)


@contextmanager
def running(*targets):
    """Call each target repeatedly in its own thread until the block ends."""
    stop = threading.Event()

    def repeat(target):
        while not stop.is_set():
            target()

    threads = [threading.Thread(target=repeat, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def search_while_changing(path, changes, readers=2):
    """Search for Ada in a tight loop while her photos are added one by one and she is merged and unmerged."""
    from points import NamedSpace, new_faces

    from facespace.gallery import Gallery

    counts, lock = Searches(), threading.Lock()
    with Gallery(path, NamedSpace()) as gallery:
        gallery.store.add("Ada", new_faces("Ada", 2))
        gallery.store.add("Augusta", new_faces("Ada", 4)[2:])
        for person in range(30):
            gallery.store.add(f"P{person}", new_faces(f"P{person}"))
        (face,) = NamedSpace().faces("Ada/1")

        def search():
            found = gallery.identify_faces([face], audit=False)[0]
            with lock:
                counts.asked += 1
                counts.missed += not found.candidates or found.candidates[0].name not in ("Ada", "Augusta")

        with running(*[search] * readers):
            for number in range(changes):
                gallery.store.add("Ada", new_faces("Ada", number + 6)[-1:])
                gallery.merge("Ada", "Augusta")
                gallery.undo_merge("Augusta")
    return counts


def change_from_many_threads(path, rounds, writers=4, readers=3):
    """Enrol, rename, merge, undo and remove in some threads while others search, list and read the audit log.

    After each removal, the write-ahead log is searched for the deleted name.
    """
    from points import NamedSpace, new_faces

    from facespace.gallery import Gallery

    counts, lock = Changes(), threading.Lock()
    log = Path(f"{path}-wal")
    with Gallery(path, NamedSpace()) as gallery:
        gallery.store.add("Ada", new_faces("Ada", 2))

        def guarded(action, kind):
            try:
                action()
            except Exception as error:
                with lock:
                    counts.errors.append(f"{kind}: {type(error).__name__}: {error}")

        def search():
            guarded(lambda: gallery.identify("Ada/1"), "identify")
            guarded(gallery.people, "people")
            guarded(lambda: list(gallery.audit()), "audit")
            with lock:
                counts.searches += 1

        def write(writer):
            for number in range(rounds):
                name, other = f"Removed-{writer}-{number}-of-all", f"Other-{writer}-{number}-of-all"

                def change(name=name, other=other, number=number):
                    gallery.store.add(name, new_faces(f"{name}", 1))
                    gallery.store.add(other, new_faces(f"{other}", 1))
                    gallery.merge(other, name)
                    gallery.undo_merge(name)
                    gallery.remove(other)
                    gallery.remove(name)

                guarded(change, "change")
                content = log.read_bytes() if log.exists() else b""
                with lock:
                    counts.rounds += 1
                    counts.removals += 2
                    counts.left_behind += [gone for gone in (name, other) if gone.encode() in content]

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
        with running(*[search] * readers):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        content = Path(path).read_bytes()
        counts.left_behind += [f"{kind} in the file" for kind in ("Removed-", "Other-") if kind.encode() in content]
    return counts


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    number = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as temporary:
        print(search_while_changing(Path(temporary) / "a.db", number))
        done = change_from_many_threads(Path(temporary) / "b.db", number)
        print(
            f"{done.rounds} rounds, {done.removals} removals, {done.searches} searches: "
            f"{len(done.errors)} errors, {len(done.left_behind)} names left behind"
        )
        print(sorted({error[:150] for error in done.errors})[:6], done.left_behind[:5])
