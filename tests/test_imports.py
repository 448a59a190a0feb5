"""What an import loads: a client or a question about a gallery starts without what it does not use."""

import subprocess
import sys

import pytest

import facespace

HEAVY = ("onnxruntime", "PIL", "scipy", "torch", "onnx", "sklearn", "matplotlib", "typer")
SERVER = ("fastapi", "starlette", "uvicorn", "prometheus_client", "multipart")


def loaded(statement):
    """Names of the modules that a new process has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_loads_nothing_but_its_errors():
    modules = loaded("import facespace")
    assert modules.isdisjoint((*HEAVY, *SERVER, "numpy", "pydantic"))
    assert {name for name in modules if name.startswith("facespace")} == {"facespace", "facespace.errors"}


def test_the_client_needs_httpx_and_pydantic_and_nothing_of_the_server():
    pytest.importorskip("httpx", reason="the client extra is not installed")
    modules = loaded("import facespace.client")
    assert modules.isdisjoint((*HEAVY[:-1], *SERVER))
    packages = {name.split(".")[1] for name in modules if name.startswith("facespace.")}
    assert packages == {"client", "errors", "metric", "schemas"}


@pytest.mark.parametrize("name", facespace.__all__)
def test_every_public_name_is_there(name):
    assert getattr(facespace, name).__name__ == name
    assert name in dir(facespace)


def test_the_packages_are_attributes_and_a_function_of_a_package_is_not_hidden_by_it():
    assert "facespace.metric" in loaded("import facespace; facespace.metric.squared_distances")
    # The function `cluster` stays one whatever was imported before it was first used.
    loaded("import facespace.clustering, facespace.album, facespace; assert callable(facespace.cluster)")


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'verify'"):
        facespace.verify  # noqa: B018
