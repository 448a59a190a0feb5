"""Batches across callers, bounded queues, timeouts and shutdown."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Gauge

from facespace.errors import ModelError
from facespace.model import Batcher, SharedEngine
from facespace.server.photos import usable
from facespace.server.problems import ProblemError
from facespace.server.queue import RequestQueue


def make_queue(threads=1, length=1):
    return RequestQueue("test", threads, length, Gauge("inside", "", registry=CollectorRegistry()))


def test_calls_of_several_threads_are_batched_and_each_gets_its_result():
    gate, batches = threading.Event(), []

    def double(items):
        gate.wait()
        batches.append(list(items))
        return [2 * item for item in items]

    together = Batcher(double, 8, 0.0)
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(together, [i, i + 100]) for i in range(16)]
        while together.waiting < 24:
            time.sleep(0.001)
        gate.set()
        assert [answer.result() for answer in answers] == [[2 * i, 2 * i + 200] for i in range(16)]
    together.close()
    assert sum(map(len, batches)) == 32
    assert max(map(len, batches)) == 8
    assert len(batches) <= 6


def test_an_error_is_raised_in_the_calling_threads_and_later_calls_work():
    def picky(items):
        if "bad" in items:
            raise ModelError("bad")
        return items

    together = Batcher(picky, 4, 0.0)
    with pytest.raises(ModelError, match="bad"):
        together(["bad"])
    assert together(["good"]) == ["good"]
    together.close()
    with pytest.raises(RuntimeError, match="closed"):
        together(["late"])


def test_a_shared_engine_gives_the_embeddings_of_the_engine(space, rng):
    crops = rng.integers(0, 256, (70, 48, 40, 3), np.uint8)
    shared = SharedEngine(space.engine, 0.001)
    expected = space.engine.embed(crops)
    np.testing.assert_allclose(shared.embed(crops), expected, atol=1e-5)
    np.testing.assert_allclose(np.stack(list(shared.embed_stream(crops))), expected, atol=1e-5)
    assert shared.embed(crops[:0]).shape == (0, 128)
    assert list(shared.embed_stream([])) == []
    shared.close()


def test_a_full_queue_rejects_with_retry_after():
    queue = make_queue(threads=1, length=1)
    with queue.place(10), queue.place(10):
        with pytest.raises(ProblemError) as error, queue.place(10):
            pass
        assert error.value.kind == "busy"
        assert error.value.retry_after is not None
    with queue.place(10):
        pass
    queue.close()


def test_a_request_that_would_time_out_is_not_accepted():
    queue = make_queue(threads=1, length=100)

    async def busy():
        with queue.place(10):
            await queue.run(lambda: time.sleep(0.2))

    for _ in range(12):
        asyncio.run(busy())
    with queue.place(10):
        with pytest.raises(ProblemError) as error, queue.place(0.1):
            pass
        assert error.value.kind == "busy"
        with queue.place(10):
            pass
    queue.close()


def test_a_timed_out_request_keeps_its_place_until_its_thread_ends():
    queue, gate = make_queue(threads=1, length=0), threading.Event()

    async def ask():
        with pytest.raises(ProblemError) as error, queue.place(0.3):
            await queue.run(gate.wait)
        assert error.value.kind == "deadline"
        with pytest.raises(ProblemError) as error, queue.place(10):
            pass
        assert error.value.kind == "busy"
        gate.set()
        while queue.in_progress:
            await asyncio.sleep(0.001)
        with queue.place(10):
            assert await queue.run(lambda: 7) == 7

    asyncio.run(ask())
    queue.close()


def test_a_request_that_timed_out_in_the_queue_is_not_started():
    queue, gate, begun = make_queue(threads=1, length=5), threading.Event(), []

    async def ask(seconds, work):
        with queue.place(seconds):
            return await queue.run(work)

    async def both():
        first = asyncio.create_task(ask(10, gate.wait))
        await asyncio.sleep(0)
        second = asyncio.create_task(ask(0.02, lambda: begun.append(1)))
        with pytest.raises(ProblemError, match="timed out"):
            await second
        gate.set()
        await first

    asyncio.run(both())
    queue.close()
    assert begun == []


def test_over_http_a_full_queue_is_429_and_a_timeout_503(served, photo, monkeypatch):
    client = served(concurrency=1, queue_length=1)
    service = client.app.state.service
    gate, begun = threading.Event(), threading.Semaphore(0)

    def slow(space, *photos):
        begun.release()
        gate.wait(20)
        return usable(space, *photos)

    monkeypatch.setattr("facespace.server.photos.usable", slow)
    ask = {"files": {"photo": photo("s1/1")}}
    late = client.post("/v1/faces", headers={"Prefer": "wait=1"}, **ask)
    assert (late.status_code, late.json()["type"]) == (503, "urn:facespace:deadline")
    begun.acquire()
    with ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(client.post, "/v1/faces", **ask)
        while service.photo_queue.in_progress < 2:
            time.sleep(0.005)
        full = client.post("/v1/faces", **ask)
        assert (full.status_code, full.json()["type"]) == (429, "urn:facespace:busy")
        assert int(full.headers["retry-after"]) >= 1
        # Requests without photos are answered meanwhile.
        assert client.get("/v1/models").status_code == 200
        assert client.get("/readyz").status_code == 200
        gate.set()
        assert accepted.result().status_code == 200


def test_metrics_are_exported(client, photo):
    client.post("/v1/verify", files={"a": photo("s1/1"), "b": photo("s1/2")})
    client.post("/v1/faces", files={"photo": b"no photo"})
    metrics = client.get("/metrics").text
    assert 'facespace_requests_total{method="POST",route="/v1/verify",status="200"} 1.0' in metrics
    assert 'facespace_problems_total{kind="image"} 1.0' in metrics
    assert "facespace_faces_total 2.0" in metrics
    assert 'facespace_requests_in_progress{queue="photos"} 0.0' in metrics


def test_the_service_is_ready_only_while_the_gallery_can_be_read(client):
    assert client.get("/readyz").json() == {"status": "ok"}
    client.app.state.service.gallery.store.close()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:facespace:unavailable")
