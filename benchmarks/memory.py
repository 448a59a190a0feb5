"""The largest memory a process has held, its own alone: getrusage's figure is inherited from whoever started it."""

from pathlib import Path


def peak_bytes() -> int:
    """Of this process, since it began or since `reset_peak`; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def reset_peak() -> None:
    """Count from what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
