"""The deployment files match the command line and are valid."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from facespace.cli.app import app
from facespace.cli.main import command
from facespace.server.keys import KeyFile

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def run():
    command()
    return lambda *words: CliRunner().invoke(app, list(words))


def test_keys_are_added_listed_and_removed_on_the_command_line(run, tmp_path):
    path = tmp_path / "keys.json"
    made = run("keys", "add", "camera", "--keys", str(path), "--scope", "read", "--scope", "embeddings", "--rate", "60")
    assert made.exit_code == 0, made.output
    assert KeyFile(path).caller(made.output.strip()).name == "camera"
    (listed,) = json.loads(run("keys", "list", "--keys", str(path), "--json").output)["keys"]
    assert (listed["name"], listed["scopes"], listed["rate"]) == ("camera", ["read", "embeddings"], 60.0)
    assert "sha256" not in listed
    assert run("keys", "remove", "camera", "--keys", str(path)).exit_code == 0
    assert KeyFile(path).keys() == []
    wrong = run("keys", "add", "camera", "--keys", str(path), "--scope", "raed")
    assert "did you mean 'read'" in str(wrong.exception)


def serving(text):
    """Return the options of each `facespace serve` in a text."""
    flat = text.replace('", "', " ").replace("'", "").replace('"', "")
    return [re.findall(r"(?<=\s)--[a-z-]+", line) for line in re.findall(r"facespace serve([^\n\]]*)", flat)]


@pytest.mark.parametrize("name", ["Containerfile", "compose.yaml", "facespace.service"])
def test_every_option_in_the_deployment_files_exists(run, name):
    known = run("serve", "--help").output
    used = serving((DEPLOY / name).read_text())
    assert used
    for option in (option for options in used for option in options):
        assert option in known, option


def test_the_compose_file_isolates_the_service():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    service = services["service"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "ports" not in services["database"]
    assert service["depends_on"]["database"]["condition"] == "service_healthy"


def test_the_container_does_not_run_as_root_and_has_a_health_check():
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001"]
    assert any("/readyz" in line for line in lines)


def test_systemd_accepts_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = (DEPLOY / "facespace.service").read_text().replace("/opt/facespace/bin/facespace", "/bin/true")
    (tmp_path / "facespace.service").write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "facespace.service")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "facespace" not in done.stderr
