"""`facespace evaluate`: its text, its JSON and its errors."""

import json
import shutil
import sys

import pytest

from facespace.cli import main
from facespace.model import read_model


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run `facespace evaluate ...` in this process and return its status, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["facespace", "evaluate", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return call


@pytest.fixture
def pairs(tmp_path):
    """Pairs of ORL people 1 to 4, two folds."""
    lines = ["a,b,same,fold"]
    for fold, (x, y) in enumerate([("s1", "s2"), ("s3", "s4")]):
        lines += [f"{x}/{i}.pgm,{x}/{i + 1}.pgm,1,{fold}" for i in range(1, 6)]
        lines += [f"{x}/{i}.pgm,{y}/{i}.pgm,0,{fold}" for i in range(1, 6)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "pairs.csv"


def test_it_writes_a_report_with_figures_and_the_command_that_made_them(run, people, model_path, tmp_path):
    status, out, _ = run(model_path, "--people", people, "--out", "results", "--json")
    assert status == 0
    found = json.loads(out)
    written = json.loads((tmp_path / "results" / "figures.json").read_text())
    assert written["auc"] == found["auc"]
    assert set(written["intervals"]) >= {"auc", "accuracy", "val_at_far_1e-2", "rank1", "fpir", "fnir", "bcubed_f"}
    assert written["intervals"]["auc"][0] <= written["auc"] <= written["intervals"]["auc"][1]
    page = (tmp_path / "results" / "report.html").read_text()
    assert f"facespace evaluate {model_path} --people {people}" in page
    assert (tmp_path / "results" / "plots" / "roc.svg").exists()


def test_json_prints_one_object_and_nothing_else(run, people, model_path, pairs):
    status, out, errors = run(model_path, "--protocol", "pairs", "--images", people, "--pairs", pairs, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["protocol"] == "pairs"
    assert found["pairs"] == 20
    assert found["failures"] == 0
    assert found["val"]["1e-1"][1] <= found["val"]["1e-1"][0] <= found["val"]["1e-1"][2]
    assert "Traceback" not in errors


def test_another_model_is_compared_on_the_same_pairs(run, people, model_path, pairs):
    status, out, _ = run(
        model_path, "--protocol", "pairs", "--images", people, "--pairs", pairs, "--with", model_path, "--json"
    )
    assert status == 0
    assert {d["difference"]["value"] for d in json.loads(out)["differences"]} == {0}


def test_write_card_measures_thresholds_and_warns_that_figures_are_optimistic(run, people, model_path, tmp_path):
    model = tmp_path / "mine.onnx"
    shutil.copy(model_path, model)
    status, _, errors = run(model, "--people", people, "--write-card", "--json")
    assert status == 0
    assert "results at them are optimistic" in errors
    card = read_model(model).card
    assert card.decisions.people == 6
    assert card.space_id == read_model(model_path).card.space_id
    # A later evaluation on the same people warns too.
    assert "results at them are optimistic" in run(model, "--people", people, "--json")[2]


def test_thresholds_are_not_chosen_on_a_test_protocol(run, people, model_path, tmp_path):
    (tmp_path / "pairs.txt").write_text("2\t1\ns1\t1\t2\ns1\t1\ts2\t1\ns3\t1\t2\ns3\t1\ts4\t1\n")
    model = tmp_path / "mine.onnx"
    shutil.copy(model_path, model)
    status, _, errors = run(
        model, "--protocol", "lfw", "--images", people, "--pairs", "pairs.txt", "--write-card", "--json"
    )
    assert status == 2
    assert "lfw is for final results" in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--protocol", "lfw"], "takes --pairs FILE (pairs.txt)"),
        ([], "needs photos: --images FOLDER"),
        (["--images", "absent"], "absent does not exist"),
        (["--images", ".", "--landmarks", "absent.csv"], "no people in ."),
    ],
)
def test_an_error_is_one_message_and_status_2(run, model_path, tmp_path, words, message):
    (tmp_path / "1.jpg").write_text("")
    status, out, errors = run(model_path, *words)
    assert status == 2
    assert message in errors
    assert "Traceback" not in errors
    assert out == ""
