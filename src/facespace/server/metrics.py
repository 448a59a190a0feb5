"""Prometheus metrics. With several workers, their values are summed (PROMETHEUS_MULTIPROC_DIR)."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of a service. No label contains the name of a person, a photo or a key."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "facespace_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self.seconds = Histogram(
            "facespace_request_seconds",
            "Seconds from first byte to response.",
            ("route",),
            registry=registry,
            buckets=SECONDS,
        )
        self.problems = Counter(
            "facespace_problems", "Requests that failed, by kind of problem.", ("kind",), registry=registry
        )
        self.faces = Counter("facespace_faces", "Faces embedded by the model.", registry=registry)
        self.batch = Histogram(
            "facespace_batch_faces", "Faces per batch.", registry=registry, buckets=(1, 2, 4, 8, 16, 32)
        )
        self.in_progress = Gauge(
            "facespace_requests_in_progress",
            "Requests being processed or waiting.",
            ("queue",),
            registry=registry,
            multiprocess_mode="livesum",
        )

    def export(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)
