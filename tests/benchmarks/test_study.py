"""Statistics of the two training studies, checked against direct computations; and running and resuming their jobs."""

import itertools
import json
import runpy
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import convergence
import mining_study
import study


def points_of(labels, noise, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(labels.max() + 1, 16))
    points = centres[labels] + noise * rng.normal(size=(len(labels), 16))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_rank_one_counts_faces_whose_nearest_other_face_shows_the_same_person():
    labels = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    points = points_of(labels, noise=1.0)
    apart = np.square(points[:, None] - points[None]).sum(axis=2)
    expected = [
        min((apart[i, j], labels[j] == labels[i]) for j in range(len(labels)) if j != i)[1]
        for i in range(len(labels))
        if labels[i] != 2
    ]
    assert study.nearest_is_own(points, labels).tolist() == expected


def test_the_interval_over_seeds_is_students_t():
    values = [0.31, 0.35, 0.30, 0.36]
    mean, half = study.interval_over_seeds(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert study.interval_over_seeds([0.3]) == (0.3, float("inf"))


def test_bootstrap_rounds_are_paired_so_equal_embeddings_never_differ():
    labels = np.repeat(np.arange(40), 4)
    points = points_of(labels, noise=0.8)
    turned = points @ np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))[0].astype(np.float32)
    differences = study.samples_over_people(points, labels) - study.samples_over_people(turned, labels)
    assert np.abs(differences).max() < 0.02
    worse = study.samples_over_people(points_of(labels, noise=1.6), labels)
    low, high = study.interval_over_people((worse - study.samples_over_people(points, labels))[:, 0])
    assert low < high < 0


def test_spread_is_the_mean_squared_distance_of_all_pairs():
    points = points_of(np.repeat(np.arange(50), 4), noise=0.5)
    apart = np.square(points[:, None] - points[None]).sum(axis=2)
    assert study.figures(points, np.repeat(np.arange(50), 4))["spread"] == pytest.approx(apart.mean(), rel=1e-4)


def test_embeddings_that_are_not_finite_have_no_figures():
    assert study.figures(np.full((8, 16), np.nan, np.float32), np.repeat(np.arange(4), 2)) == {}


def test_recall_counts_only_faces_that_were_looked_at():
    assert study.precision_and_recall(["a", "b"], ["a", "c", "d"], ["a", "b", "c"]) == (0.5, 0.5)
    assert np.isnan(study.precision_and_recall([], [], ["a"])).all()


def test_every_value_of_an_option_occurs_equally_often_and_every_pair_occurs():
    chosen = convergence.settings()
    assert len(set(chosen)) == len(chosen) == 36
    for option, levels in convergence.LEVELS.items():
        counts = [sum(getattr(setting, option) == level for setting in chosen) for level in levels]
        assert set(counts) == {36 // len(levels)}
    for one, other in itertools.combinations(convergence.LEVELS, 2):
        met = {(getattr(setting, one), getattr(setting, other)) for setting in chosen}
        assert len(met) >= 0.75 * len(convergence.LEVELS[one]) * len(convergence.LEVELS[other])


@pytest.mark.parametrize("name", mining_study.ARMS)
def test_each_arm_embeds_the_images_of_the_budget_and_hardly_fewer(name):
    size, arm = mining_study.SIZES["full"], mining_study.ARMS[name]
    recipe = mining_study.recipe_of(arm, size, 1, size.images, 0.05, 0.5, size.start)
    batch = size.people * size.photos
    pools = mining_study.searches(recipe.steps, size.start, size.every) if recipe.mining.offline.every else 0
    spent = recipe.steps * batch + pools * size.pool
    assert size.images - size.pool - 2 * batch < spent <= size.images


def test_each_arm_is_tuned_with_the_same_number_of_runs():
    assert {len(arm.tried(mining_study.SIZES["full"])) for arm in mining_study.ARMS.values()} == {4}


def test_triplets_are_scarce_if_the_median_of_a_window_is_low_but_not_for_one_odd_batch():
    active = [0.5] * 30 + [0.01] * 5 + [0.5] * 30 + [0.05] * 30
    records = [{"step": step, "active": share} for step, share in enumerate(active, 1)]
    assert mining_study.scarce_from(records, 0.1) == 76
    assert mining_study.scarce_from(records[:60], 0.1) is None


def test_only_missing_jobs_are_run_and_the_manifest_lists_what_is_done(tmp_path):
    done = []

    def job(name, result):
        return study.Job(name, lambda folder: done.append(name) or result)

    jobs = [job("first", {"value": 1.0}), job("waits", None), job("last", {"value": 2.0})]
    study.run_jobs(jobs, tmp_path)
    study.run_jobs(jobs, tmp_path)
    assert [name for name in done if name != "waits"] == ["first", "last"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["runs"] == {"first": "done", "waits": "begun", "last": "done"}
    assert (manifest["done"], manifest["begun"], manifest["missing"]) == (2, 1, 0)


def test_workers_share_the_jobs_and_wait_for_results_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "PAUSE", 0.01)
    began = []

    def work(folder):
        needed = study.result_of(tmp_path / "base-0")
        if folder.name.startswith("after") and needed is None:
            return None
        began.append((folder.name, threading.get_ident()))
        time.sleep(0.05)
        return {"value": 1.0}

    # Those that wait come first: a worker must look at them again.
    jobs = [study.Job(f"{kind}-{number}", work) for kind in ("after", "base") for number in range(4)]
    workers = [threading.Thread(target=study.run_jobs, args=(jobs, tmp_path)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(name for name, _ in began) == sorted(job.name for job in jobs)
    assert len({worker for _, worker in began}) > 1
    assert json.loads((tmp_path / "manifest.json").read_text())["done"] == len(jobs)


def test_a_job_whose_process_dies_is_run_by_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "PAUSE", 0.01)
    hold = (
        "import filelock, sys, time; a = filelock.FileLock(sys.argv[1]); a.acquire(); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, tmp_path / ".only.lock"], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        worker = threading.Thread(
            target=study.run_jobs, args=([study.Job("only", lambda folder: {"value": 1.0})], tmp_path)
        )
        worker.start()
        worker.join(0.1)
        waited = worker.is_alive()
        other.kill()
        worker.join(10)
    assert waited
    assert study.result_of(tmp_path / "only")["value"] == 1.0


def test_an_error_stops_only_its_job_until_failures_are_cleared(tmp_path):
    works = []

    def work(folder):
        if not works:
            raise RuntimeError("out of memory")
        return {"value": 1.0}

    jobs = [study.Job("bad", work), study.Job("good", lambda folder: {"value": 2.0})]
    with pytest.raises(RuntimeError):
        study.run_jobs(jobs, tmp_path)
    study.run_jobs(jobs, tmp_path)
    assert "out of memory" in (tmp_path / "bad" / study.FAILED).read_text()
    assert [study.result_of(tmp_path / name) is None for name in ("bad", "good")] == [True, False]
    works.append(1)
    study.clear_failures(tmp_path)
    study.run_jobs(jobs, tmp_path)
    assert study.result_of(tmp_path / "bad")["value"] == 1.0


def test_no_job_is_started_that_would_end_too_late_judging_by_jobs_of_its_size(tmp_path):
    def jobs(images, names):
        return [study.Job(name, lambda folder: time.sleep(0.02) or {"value": 1.0}, images) for name in names]

    short, long, none_like_it = jobs(10, ["short-1", "short-2"]), jobs(1_000, ["long"]), jobs(20, ["other"])
    study.run_jobs(short[:1], tmp_path)
    study.run_jobs([*long, *short, *none_like_it], tmp_path, until=time.time() + 1)
    done = [job.name for job in (*short, *long, *none_like_it) if study.result_of(tmp_path / job.name)]
    assert done == ["short-1", "short-2", "other"]


def test_a_worker_that_ends_with_an_error_is_restarted_a_limited_number_of_times(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "PAUSE", 0.05)
    script = tmp_path / "work.py"
    script.write_text(
        "import pathlib, sys; path = pathlib.Path(__file__).with_name('starts')\npath.open('a').write('.'); sys.exit(1)"
    )
    study.in_processes(1, runpy.run_path, str(script))
    assert (tmp_path / "starts").read_text() == "." * study.STARTS


def test_all_arms_of_a_seed_come_before_the_next_seed_and_close_arms_come_first():
    names = [job.name for job in mining_study.jobs_of(mining_study.SIZES["full"], Path("nowhere"), None)]
    main = [name for name in names if not name.startswith("tune-")]
    assert names[len(names) - len(main) :] == main
    seeds = [int(name.rsplit("-", 1)[1]) for name in main]
    assert seeds == sorted(seeds)
    first = [name.rsplit("-", 1)[0] for name in main[: seeds.count(1)]]
    assert set(first[: len(mining_study.CLOSE)]) == set(mining_study.CLOSE)
    assert set(first) == set(mining_study.ARMS)


def test_a_share_of_the_names_is_shuffled_and_the_wrong_ones_are_listed():
    from facespace.train.data.dataset import FaceSet

    labels = np.repeat(np.arange(50), 4)
    photos = tuple(f"{face}.webp" for face in range(200))
    faces = FaceSet(np.zeros((200, 2, 2, 3), np.uint8), labels, tuple(map(str, range(50))), photos=photos)
    changed, wrong = convergence.shuffled(faces, 0.2)
    differ = np.flatnonzero(changed.labels != labels)
    assert wrong == {photos[face] for face in differ}
    assert 30 <= len(wrong) <= 40
    assert np.bincount(changed.labels).tolist() == [4] * 50
    kept = convergence.without(changed, wrong)
    assert set(kept.photos) == set(photos) - wrong
    assert [kept.people[label] for label in kept.labels] == [str(int(p[:-5]) // 4) for p in kept.photos]
