"""Batches across callers, bounded lines, deadlines, an orderly end."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Gauge

from facespace.errors import ModelError
from facespace.model import SharedEngine, Together
from facespace.server.problems import Refusal
from facespace.server.queue import Desk


def desk(doing=1, waiting=1):
    return Desk("test", doing, waiting, Gauge("inside", "", registry=CollectorRegistry()))


def test_what_several_threads_ask_for_is_done_together_and_each_gets_its_own():
    gate, batches = threading.Event(), []

    def double(items):
        gate.wait()
        batches.append(list(items))
        return [2 * item for item in items]

    together = Together(double, 8, 0.0)
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


def test_what_goes_wrong_is_told_to_those_who_asked_and_the_next_are_served():
    def picky(items):
        if "bad" in items:
            raise ModelError("bad")
        return items

    together = Together(picky, 4, 0.0)
    with pytest.raises(ModelError, match="bad"):
        together(["bad"])
    assert together(["good"]) == ["good"]
    together.close()
    with pytest.raises(RuntimeError, match="closed"):
        together(["late"])


def test_a_shared_engine_gives_the_points_of_the_engine(space, rng):
    crops = rng.integers(0, 256, (70, 48, 40, 3), np.uint8)
    shared = SharedEngine(space.engine, 0.001)
    expected = space.engine.embed(crops)
    np.testing.assert_allclose(shared.embed(crops), expected, atol=1e-5)
    np.testing.assert_allclose(np.stack(list(shared.embed_stream(crops))), expected, atol=1e-5)
    assert shared.embed(crops[:0]).shape == (0, 128)
    assert list(shared.embed_stream([])) == []
    shared.close()


def test_a_full_line_is_told_when_to_come_again():
    line = desk(doing=1, waiting=1)
    with line.place(10), line.place(10):
        with pytest.raises(Refusal) as refused, line.place(10):
            pass
        assert refused.value.kind == "busy"
        assert refused.value.retry_after is not None
    with line.place(10):
        pass
    line.close()


def test_what_would_come_too_late_is_not_accepted():
    line = desk(doing=1, waiting=100)

    async def busy():
        with line.place(10):
            await line.run(lambda: time.sleep(0.2))

    for _ in range(12):
        asyncio.run(busy())
    with line.place(10):
        with pytest.raises(Refusal) as refused, line.place(0.1):
            pass
        assert refused.value.kind == "busy"
        with line.place(10):
            pass
    line.close()


def test_a_deadline_ends_the_wait_but_the_place_is_taken_until_the_thread_ends():
    line, gate = desk(doing=1, waiting=0), threading.Event()

    async def ask():
        with pytest.raises(Refusal) as refused, line.place(0.05):
            await line.run(gate.wait)
        assert refused.value.kind == "deadline"
        with pytest.raises(Refusal) as refused, line.place(10):
            pass
        assert refused.value.kind == "busy"
        gate.set()
        while line.inside:
            await asyncio.sleep(0.001)
        with line.place(10):
            assert await line.run(lambda: 7) == 7

    asyncio.run(ask())
    line.close()


def test_what_is_late_before_it_begins_is_not_begun():
    line, gate, begun = desk(doing=1, waiting=5), threading.Event(), []

    async def ask(seconds, work):
        with line.place(seconds):
            return await line.run(work)

    async def both():
        first = asyncio.create_task(ask(10, gate.wait))
        await asyncio.sleep(0)
        second = asyncio.create_task(ask(0.02, lambda: begun.append(1)))
        with pytest.raises(Refusal, match="deadline"):
            await second
        gate.set()
        await first

    asyncio.run(both())
    line.close()
    assert begun == []


def test_over_http_a_full_line_is_429_and_a_late_answer_503(served, photo, monkeypatch):
    client = served(doing=1, waiting=1)
    service = client.app.state.service
    gate, begun, look = threading.Event(), threading.Semaphore(0), service.space.look

    def slow(content):
        begun.release()
        gate.wait(20)
        return look(content)

    monkeypatch.setattr(service.space, "look", slow)
    ask = {"files": {"photo": photo("s1/1")}}
    late = client.post("/v1/faces", headers={"Prefer": "wait=1"}, **ask)
    assert (late.status_code, late.json()["type"]) == (503, "urn:facespace:deadline")
    begun.acquire()
    with ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(client.post, "/v1/faces", **ask)
        while service.photos.inside < 2:
            time.sleep(0.005)
        full = client.post("/v1/faces", **ask)
        assert (full.status_code, full.json()["type"]) == (429, "urn:facespace:busy")
        assert int(full.headers["retry-after"]) >= 1
        # What needs no photo is answered meanwhile.
        assert client.get("/v1/models").status_code == 200
        assert client.get("/readyz").status_code == 200
        gate.set()
        assert accepted.result().status_code == 200


def test_the_counts_are_told(client, photo):
    client.post("/v1/verify", files={"a": photo("s1/1"), "b": photo("s1/2")})
    client.post("/v1/faces", files={"photo": b"no photo"})
    told = client.get("/metrics").text
    assert 'facespace_requests_total{method="POST",route="/v1/verify",status="200"} 1.0' in told
    assert 'facespace_problems_total{kind="image"} 1.0' in told
    assert "facespace_faces_total 2.0" in told
    assert 'facespace_inside{line="photos"} 0.0' in told


def test_ready_is_said_only_while_the_gallery_can_be_read(client):
    assert client.get("/readyz").json() == {"status": "ok"}
    client.app.state.service.gallery.store.close()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:facespace:unavailable")
