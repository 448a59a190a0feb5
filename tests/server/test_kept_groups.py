"""The groups of a clustering job are enrolled in the gallery or downloaded."""

import csv
import io
import itertools
import json
import zipfile

import PIL.Image
import pytest
from test_answers import enrol, wait_for


@pytest.fixture
def grouped(client, photo):
    """Return a client, the path of a finished clustering job of nine photos, and its result."""
    files = [("photos", (f"{p}-{i}.pgm", photo(f"s{p}/{i}"))) for p in (1, 2, 3) for i in (1, 2, 3)]
    job = client.post("/v1/cluster", files=files).json()["job"]
    assert wait_for(client, job)["state"] == "done"
    return client, f"/v1/cluster/{job}", client.get(f"/v1/cluster/{job}/result").json()


def test_an_enrolled_group_stays_when_the_job_is_deleted(grouped, photo, space):
    client, job, result = grouped
    faces = result["clusters"][0]["faces"]
    wanted = {"faces": [face["face"] for face in faces], "name": "Ada", "keep": True, "accept_doubtful": True}
    done = client.post(f"{job}/enrol", json=wanted).json()
    assert (done["person"]["name"], done["added"]) == ("Ada", len(faces))
    client.delete(job)
    person = client.get(f"/v1/people/{done['person']['person_id']}?embeddings=true").json()
    assert [face["photo"] for face in person["kept"]] == [face["photo"] for face in faces]
    assert [face["box"] for face in person["kept"]] == [face["box"] for face in faces]
    expected = space.embed(photo("s" + faces[0]["photo"].split(".")[0].replace("-", "/")))[0]
    assert person["kept"][0]["embedding"] == pytest.approx(expected.tolist(), abs=2e-3)
    picture = client.get(f"/v1/people/faces/{person['kept'][0]['face']}/picture").content
    assert PIL.Image.open(io.BytesIO(picture)).format == "WEBP"


def test_enrolling_a_known_person_adds_new_faces_and_reports_duplicates(grouped, photo):
    client, job, result = grouped
    first = result["clusters"][0]["faces"][0]
    known = enrol(client, "Ada", photo("s" + first["photo"].split(".")[0].replace("-", "/")))
    others = [f["face"] for c in result["clusters"] for f in c["faces"] if f["face"] != first["face"]][:1]
    done = client.post(
        f"{job}/enrol", json={"faces": [first["face"], *others], "name": "Ada", "accept_doubtful": True}
    ).json()
    assert done["person"]["person_id"] == known["person"]["person_id"]
    assert done["added"] == len(others)
    assert [entry["name"] for entry in done["duplicates"]] == [first["photo"]]


def test_faces_of_several_people_are_not_enrolled_as_one_by_default(grouped):
    client, job, result = grouped
    by_photo = {face["photo"]: face["face"] for cluster in result["clusters"] for face in cluster["faces"]}
    wanted = {"faces": [by_photo[f"{person}-1.pgm"] for person in (1, 2, 3)], "name": "Ada"}
    refused = client.post(f"{job}/enrol", json=wanted)
    left_out = len(refused.json().get("doubtful", [])) if refused.status_code == 200 else 3
    assert left_out > 0
    done = client.post(f"{job}/enrol", json={**wanted, "accept_doubtful": True}).json()
    assert done["person"]["faces"] == 3
    assert done["doubtful"] == []


@pytest.mark.parametrize(
    ("wanted", "status"),
    [({"faces": [999], "name": "Ada"}, 404), ({"faces": [1], "name": " "}, 422), ({"faces": [], "name": "Ada"}, 422)],
)
def test_an_invalid_enrolment_is_rejected_and_stores_nothing(grouped, wanted, status):
    client, job, _ = grouped
    assert client.post(f"{job}/enrol", json=wanted).status_code == status
    assert client.get("/v1/people").json()["total"] == 0


def test_the_download_has_thumbnails_a_table_and_json(grouped):
    client, job, result = grouped
    number = result["clusters"][0]["cluster"]
    client.post(f"{job}/name", json={"cluster": number, "name": "=A/1 王芳"}).raise_for_status()
    result = client.get(f"{job}/result").json()
    answer = client.get(f"{job}/download")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        assert json.loads(packed.read("groups.json"))["clusters"] == result["clusters"]
        rows = list(csv.DictReader(io.StringIO(packed.read("groups.csv").decode("utf-8-sig"))))
        pictures = {name: packed.read(name) for name in packed.namelist() if name.startswith("faces/")}
    faces = [(cluster, face) for cluster in result["clusters"] for face in cluster["faces"]]
    assert [(int(r["group"]), int(r["face"]), r["photo"]) for r in rows] == [
        (cluster["cluster"], face["face"], face["photo"]) for cluster, face in faces
    ]
    assert [float(rows[0][edge]) for edge in ("left", "top", "right", "bottom")] == pytest.approx(
        faces[0][1]["box"], abs=0.05
    )
    # Names become neither a spreadsheet formula nor another folder.
    assert {row["name"] for row in rows} == {"'=A/1 王芳", ""}
    assert len(pictures) == len(faces)
    own = [name for name in pictures if name.startswith(f"faces/{number:05d} _A_1 王芳/")]
    assert len(own) == len(result["clusters"][0]["faces"])
    assert {PIL.Image.open(io.BytesIO(content)).format for content in pictures.values()} == {"WEBP"}


def test_each_answer_leaves_fewer_questions(grouped):
    client, job, _ = grouped
    left = []
    while True:
        found = client.get(f"{job}/questions?limit=1").json()
        left.append(found["total"])
        if not found["questions"]:
            break
        (question,) = found["questions"]
        answer = {"a": question["a"], "b": question["b"], "same": len(left) % 2 == 0}
        client.post(f"{job}/answers", json=answer).raise_for_status()
    assert len(left) > 2
    assert left[-1] == 0
    assert all(after < before for before, after in itertools.pairwise(left))


def test_decisions_list_their_faces(grouped):
    client, job, result = grouped
    faces = [face["face"] for cluster in result["clusters"] for face in cluster["faces"]]
    a, b = faces[0], faces[-1]
    made = client.post(f"{job}/answers", json={"a": a, "b": b, "same": True}).json()["decision"]
    name = client.post(f"{job}/name", json={"cluster": result["clusters"][0]["cluster"], "name": "Ada"}).json()
    decisions = {d["decision"]: d for d in client.get(f"{job}/decisions").json()["decisions"]}
    assert decisions[made]["pairs"] == [{"a": a, "b": b, "same": True}]
    assert decisions[made]["naming"] is None
    assert decisions[name["decision"]]["naming"]["name"] == "Ada"
    # The requested decision is undone, not the last one.
    assert client.post(f"{job}/undo", json={"decision": name["decision"]}).json()["decision"] == name["decision"]
    undone = client.post(f"{job}/undo", json={"decision": made}).json()
    assert (undone["decision"], undone["undone"] is None) == (made, False)
