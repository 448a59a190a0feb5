"""The number of processors this process may use, given its CPU affinity and its container's limits."""

import math
import os
from pathlib import Path

_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def available() -> int:
    """Number of processors that this process may keep busy, at least 1. All thread pools are sized by it.

    The minimum of the machine's processors, the CPU affinity (taskset, cpusets), and the CPU limit of the control
    group (`docker run --cpus`, Kubernetes limits), rounded up.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, quota(_GROUPS, _OWN_GROUPS))))


def session_threads(wanted: int | None) -> int:
    """Number of threads for an onnxruntime session, for its option `intra_op_num_threads`.

    0 lets onnxruntime start one thread for each physical core. That is right only if this process may use the whole
    machine; otherwise onnxruntime would still use all cores and try to pin its threads to them.
    """
    if wanted is not None:
        return wanted
    allowed = available()
    return 0 if allowed >= (os.cpu_count() or 1) else allowed


def quota(groups: Path, own: Path) -> float:
    """CPU limit of a control group and its parents, in processors; infinite if there is none.

    Parameters
    ----------
    groups : path
        Mount point of the control groups, version 1 or 2.
    own : path
        File that lists this process's groups, in the format of `/proc/self/cgroup`.
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
            # In a container the path may be the host's, which is not mounted here: then the root's limit applies.
            group = base / path.lstrip("/")
            for folder in {group, *group.parents, base}:
                if folder.is_relative_to(base):
                    allowed = min(allowed, read(folder))
    return allowed


def _quota_2(folder: Path) -> float:
    """Limit in cgroup version 2: 'QUOTA PERIOD' in microseconds, or 'max PERIOD'."""
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return math.inf if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return math.inf


def _quota_1(folder: Path) -> float:
    """Limit in cgroup version 1: two files; -1 means no limit."""
    try:
        limit, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return limit / period if limit > 0 else math.inf
    except (OSError, ValueError):
        return math.inf
