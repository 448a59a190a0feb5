"""Ray, which runs work on many machines (extra `ray`): import it, and start it where it is not connected yet."""

from typing import Any

from facespace.errors import FacespaceError


def require_ray() -> Any:
    """Return the module; FacespaceError if the extra is not installed."""
    try:
        import pyarrow.fs  # noqa: F401
        import ray
    except ModuleNotFoundError:
        raise FacespaceError("the engine ray needs its package; run: pip install 'facespace[ray]'") from None
    return ray


def start_ray(ray: Any, workers: int | None) -> int:
    """Start Ray here unless it is connected; `workers` processes, None one per core. Returns its cores."""
    if not ray.is_initialized():
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
    return int(ray.cluster_resources().get("CPU", 1))
