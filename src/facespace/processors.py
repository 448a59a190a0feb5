"""How many processors this process may use: those of the machine, less what its affinity and its container allow."""

import math
import os
from pathlib import Path

_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available() -> int:
    """Processors that this process may keep busy, at least 1: the one number that thread pools are sized by.

    The least of what the machine has, what the process is bound to (taskset, a cpuset), and the processor time that
    its control group allows (`docker run --cpus`, a limit of Kubernetes), rounded up.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, quota(_GROUPS, _OWN_GROUPS))))


def session_threads(wanted: int | None) -> int:
    """Threads of an onnxruntime session, as its `intra_op_num_threads` takes them.

    0, its own choice of one for each physical core, only where the whole machine may be used: otherwise it would take
    all cores of the machine, and try to bind its threads to them.
    """
    if wanted is not None:
        return wanted
    allowed = available()
    return 0 if allowed >= (os.cpu_count() or 1) else allowed


def quota(groups: Path, own: Path) -> float:
    """Processors that a control group allows, the least of it and of those it stands in; infinite without a limit.

    Parameters
    ----------
    groups : path
        Where control groups are mounted, of version 2 or 1.
    own : path
        The list of this process's groups, as `/proc/self/cgroup` gives it.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return math.inf
    allowed = math.inf
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            bases, read = [groups], _quota_2
        elif "cpu" in controllers.split(","):
            bases, read = [groups / controllers, groups / "cpu"], _quota_1
        else:
            continue
        for base in bases:
            # In a container the path may be that of the host, which is not mounted here: then the root counts.
            group = base / path.lstrip("/")
            for folder in {group, *group.parents, base}:
                if folder.is_relative_to(base):
                    allowed = min(allowed, read(folder))
    return allowed


def _quota_2(folder: Path) -> float:
    """Of version 2: 'QUOTA PERIOD' in microseconds, or 'max PERIOD'."""
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return math.inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return math.inf


def _quota_1(folder: Path) -> float:
    """Of version 1: two files, -1 where there is no limit."""
    try:
        limit, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return limit / period if limit > 0 else math.inf
    except (OSError, ValueError):
        return math.inf
