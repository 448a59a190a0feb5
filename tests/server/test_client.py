"""The synchronous and the asynchronous client."""

import asyncio
import inspect
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from facespace.client import AsyncClient, Client, ServiceError
from facespace.client.waiting import finished
from facespace.errors import EmbeddingError, ImageError
from facespace.schemas import JobState


@pytest.fixture(scope="module")
def address(listening, tmp_path_factory):
    with listening(gallery=str(tmp_path_factory.mktemp("client") / "people.db"), keep_pictures=True) as address:
        yield address


@pytest.fixture
def served_alone(listening, tmp_path):
    with listening(gallery=str(tmp_path / "people.db")) as address:
        yield address


def test_every_method_works_over_a_real_connection(address, people, space):
    one, two = people / "s1" / "1.pgm", people / "s1" / "2.pgm"
    with Client(address) as service:
        assert service.service().model == space.id
        assert service.model().probability[0].distance == 0
        assert service.verify(one, two).distance == pytest.approx(space.verify(one, two).distance, abs=1e-5)
        assert service.faces(one.read_bytes(), embeddings=True).faces[0].embedding == pytest.approx(
            space.embed(one)[0], abs=1e-5
        )
        ada = service.enrol("Ada", [one, two], {"team": 3}, min_quality=0, keep=True).person
        ben = service.enrol("Ben", [people / "s2" / "1.pgm"], min_quality=0).person
        assert service.identify(one, top=1, crops=True).faces[0].candidates[0].name == "Ada"
        assert [person.name for person in service.people().people] == ["Ada", "Ben"]
        assert service.change(ada.person_id, name="Ada L.").name == "Ada L."
        assert service.picture(ada.picture).startswith(b"RIFF")
        assert service.merge(ben.person_id, ada.person_id).faces == 3
        assert service.undo_merge(ada.person_id).restored.name == "Ben"
        face = service.person(ada.person_id).kept[1].face
        assert service.move_face(face, "Ben").faces == 2
        assert service.remove_face(face).faces == 1
        assert service.remove(ada.person_id).faces == 1
        job = service.start_cluster([one, two])
        seen = []
        assert service.wait(job.job, timeout=60, on_progress=seen.append).faces == 2
        assert seen[-1].state == "done"
        faces = [face.face for cluster in service.clusters(job.job).clusters for face in cluster.faces]
        assert service.questions(job.job).questions is not None
        service.answer(job.job, *faces, same=True)
        assert len(service.clusters(job.job).clusters) == 1
        service.undo(job.job)
        service.cancel(job.job)
        service.delete_job(job.job)
        with pytest.raises(ServiceError, match="no job"):
            service.job(job.job)


def test_concurrent_calls_give_the_results_of_single_calls(address, people, space):
    photos = sorted(people.glob("s*/*.pgm"))[:12]

    async def all_at_once():
        async with AsyncClient(address) as service:
            return await asyncio.gather(*(service.faces(photo, embeddings=True) for photo in photos))

    for photo, answer in zip(photos, asyncio.run(all_at_once()), strict=True):
        assert answer.faces[0].embedding == pytest.approx(space.embed(photo)[0], abs=1e-5)


def test_both_clients_have_the_same_methods():
    def calls(client):
        return {
            name: (inspect.signature(method), inspect.getdoc(method))
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_") and name not in ("send", "close")
        }

    assert calls(Client) == calls(AsyncClient)


def test_a_rejected_request_raises_the_problem_of_the_service(address, people, tmp_path):
    with Client(address) as service:
        with pytest.raises(ServiceError, match="photo 'b' is not an image") as error:
            service.verify(people / "s1" / "1.pgm", b"no photo")
        assert error.value.kind == "image"
        assert error.value.problem.status == 422
        with pytest.raises(ImageError, match="cannot read .*absent.jpg"):
            service.faces(tmp_path / "absent.jpg")


def test_an_unreachable_service_is_an_error():
    with Client("http://127.0.0.1:9") as service, pytest.raises(ServiceError, match="cannot reach the service"):
        service.service()


def test_a_request_is_retried_after_retry_after(monkeypatch):
    waited, answers = [], [429, 429, 200]
    monkeypatch.setattr(time, "sleep", waited.append)

    def answer(request):
        status = answers.pop(0)
        return httpx.Response(status, headers={"Retry-After": "3"}, json={"not": "it"})

    with Client("http://x", transport=httpx.MockTransport(answer)) as service:
        with pytest.raises(ServiceError, match="is not a facespace service of a compatible version"):
            service.service()
        assert waited == [3.0, 3.0]
        answers.extend([429] * 9)
        with pytest.raises(ServiceError, match="responded with status 429"):
            service.service()
        assert len(answers) == 5


def test_the_code_in_the_documentation_runs(address, people, tmp_path, monkeypatch, capsys):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "serve.md"
    (code,) = re.findall(r"```py\n(.*?)```", page.read_text(), re.S)
    for name, photo in (("ada1.jpg", "1"), ("ada2.jpg", "2"), ("party.jpg", "3")):
        shutil.copy(people / "s4" / f"{photo}.pgm", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("http://127.0.0.1:8000", address), "service.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[0] in ("True", "False")


def test_batches_verification_of_a_person_and_search_by_embedding(served_alone, people, tmp_path):
    one, two, other = (people / name for name in ("s1/1.pgm", "s1/2.pgm", "s2/1.pgm"))
    with Client(served_alone) as service:
        ada = service.enrol("Ada", [one], min_quality=0).person.person_id
        service.enrol("Ben", [other], min_quality=0, face=1)
        faces = service.faces_batch([one, two, b"no photo"], embeddings=True)
        assert [photo.failure is None for photo in faces.photos] == [True, True, False]
        found = service.identify_batch([two, other], top=1)
        assert [photo.faces[0].candidates[0].name for photo in found.photos] == ["Ada", "Ben"]
        probe = service.verify_person(ada, two, far=0.1, face=1)
        assert (probe.name, probe.far, probe.face) == ("Ada", 0.1, 1)
        points = [photo.faces[0].embedding for photo in faces.photos[:2]]
        matches = service.search(np.array(points), faces.model, top=1).matches
        assert [match.candidates[0].name for match in matches] == ["Ada", "Ada"]
        with pytest.raises(EmbeddingError, match="row 1 of embeddings has L2 norm 2"):
            service.search([points[0], 2 * np.array(points[0])])
        with pytest.raises(ServiceError) as error:
            service.verify_person(99, two)
        assert (error.value.problem.status, error.value.kind) == (404, "not-found")


def test_both_clients_wait_for_jobs_and_report_failed_ones(served_alone, people):
    photos = sorted(people.glob("s[123]/[12].pgm"))

    async def by_asyncio():
        async with AsyncClient(served_alone) as service:
            return await service.cluster(photos, timeout=60)

    with Client(served_alone) as service:
        alone = service.cluster(photos, timeout=60)
        assert alone.job.state == "done"
        assert sum(len(cluster.faces) for cluster in alone.clusters) == len(photos)
        assert [c.faces for c in asyncio.run(by_asyncio()).clusters] == [c.faces for c in alone.clusters]
        with pytest.raises(ServiceError, match="failed: no photo"):
            finished(alone.job.model_copy(update={"state": JobState.FAILED, "reason": "no photo"}))
        with pytest.raises(ServiceError, match="there is no job"):
            service.wait("c_AAAAAAAAAAAAAAAA")


def test_waiting_ends_at_the_timeout_or_when_the_job_is_cancelled(monkeypatch):
    job = {"job": "c_1", "photos": 9, "looked_at": 1, "faces": 0, "clusters": 0, "created": "", "expires": ""}
    states, slept, now = ["queued", "running", "running", "cancelled"], [], [0.0]

    def answer(request):
        return httpx.Response(200, json=job | {"state": states.pop(0) if states else "running"})

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    # Patch the client only: services of other tests run in threads of this process.
    monkeypatch.setattr("facespace.client.synchronous.time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr("facespace.client.waiting.time", SimpleNamespace(monotonic=lambda: now[0]))
    with Client("http://x", transport=httpx.MockTransport(answer)) as service:
        with pytest.raises(ServiceError, match="the job c_1 was cancelled"):
            service.wait("c_1")
        assert slept == sorted(slept)
        slept.clear()
        with pytest.raises(ServiceError, match="the job c_1 has not finished after 30 s; it is still running"):
            service.wait("c_1", timeout=30)
        assert sum(slept) == pytest.approx(30)
        assert max(slept) <= 2
