"""Many concurrent callers change and search one gallery over HTTP."""

import os
from concurrent.futures import ThreadPoolExecutor

import httpx

# To run it longer: FACESPACE_ROUNDS=40 python -m pytest tests/server/test_many_callers.py -s
ROUNDS = int(os.environ.get("FACESPACE_ROUNDS", "2"))
CALLERS = 7


def test_no_request_fails_and_removed_names_are_erased(listening, photo, tmp_path):
    path, log = tmp_path / "people.db", tmp_path / "people.db-wal"
    failures, left_behind, removed = [], [], []

    def call(client, method, route, wanted=200, **content):
        answer = client.request(method, route, **content)
        if answer.status_code != wanted:
            failures.append((method, route, answer.status_code, answer.text))
        return answer.json()

    def caller(number):
        with httpx.Client(base_url=base, timeout=60) as client:
            for turn in range(ROUNDS):
                name = f"Caller-{number}-{turn}-of-all"
                enrolled = call(
                    client,
                    "POST",
                    "/v1/people",
                    data={"name": name, "min_quality": "0"},
                    files={"photos": (f"{number}.pgm", photo(f"s{1 + number % 6}/{1 + turn % 10}"))},
                )
                person = enrolled["person"]["person_id"]
                found = call(client, "POST", "/v1/identify?top=50", files={"photo": photo(f"s{1 + number % 6}/1")})
                if person not in [candidate["person_id"] for candidate in found["faces"][0]["candidates"]]:
                    failures.append(("identify", name, "is not among the candidates"))
                call(client, "PATCH", f"/v1/people/{person}", json={"attributes": {"turn": turn}})
                call(client, "GET", "/v1/people")
                call(client, "DELETE", f"/v1/people/{person}")
                removed.append(name)
                if name.encode() in log.read_bytes():
                    left_behind.append(name)
                call(client, "GET", f"/v1/people/{person}", wanted=404)

    with listening(gallery=str(path)) as base, ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(caller, range(CALLERS)))
    print(f"{len(removed)} rounds of {CALLERS} callers: {len(failures)} failures, {len(left_behind)} names left behind")
    assert len(removed) == ROUNDS * CALLERS
    assert failures == []
    assert left_behind == []
    assert b"of-all" not in path.read_bytes()
