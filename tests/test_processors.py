"""Number of usable processors: by affinity, and by control groups of both versions."""

import math
import os
import subprocess
import sys

import pytest

from facespace.processors import available, quota, session_threads


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("own", "files", "allowed"),
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "max 100000\n"}, math.inf),
        # The limits of a group's parents apply too.
        ("0::/pod/box", {"cpu.max": "max 100000", "pod/cpu.max": "2000 1000", "pod/box/cpu.max": "9000 1000"}, 2),
        # In a container the path may be the host's.
        ("0::/docker/0123", {"cpu.max": "50000 100000"}, 0.5),
        ("4:cpu,x:/box", {"cpu,x/box/cpu.cfs_quota_us": "300", "cpu,x/box/cpu.cfs_period_us": "100"}, 3),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("4:memory:/box\n0::/", {}, math.inf),
        ("0::/", {"cpu.max": "nonsense"}, math.inf),
    ],
)  # fmt: skip
def test_a_control_group_bounds_the_processors(tmp_path, own, files, allowed):
    write(tmp_path / "groups", files)
    write(tmp_path, {"own": own + "\n"})
    assert quota(tmp_path / "groups", tmp_path / "own") == allowed


def test_a_system_without_control_groups_has_no_quota(tmp_path):
    assert quota(tmp_path, tmp_path / "absent") == math.inf


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to processors")
def test_a_process_bound_to_one_processor_has_one_thread_everywhere():
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from facespace.processors import available, session_threads\n"
        "from facespace.server.settings import Settings\n"
        "print(available(), session_threads(None), session_threads(3), Settings().concurrency)"
    )
    numbers = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    whole = os.cpu_count() == 1
    assert numbers == ["1", "0" if whole else "1", "3", "2"]


def test_a_quota_below_one_processor_gives_one_thread(monkeypatch):
    monkeypatch.setattr("facespace.processors.quota", lambda groups, own: 0.2)
    assert available() == 1
    monkeypatch.setattr("facespace.processors.quota", lambda groups, own: math.inf)
    assert session_threads(None) in {0, available()}


def test_no_other_code_reads_the_machines_processor_count():
    from pathlib import Path

    import facespace

    folder = Path(facespace.__file__).parent
    asking = [path.name for path in folder.rglob("*.py") if "cpu_count(" in path.read_text("utf-8")]
    assert asking == ["processors.py"]
