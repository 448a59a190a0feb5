"""Measure the download size of `pip install` for facespace and other libraries, from the wheels that uv resolves.

    python benchmarks/install_sizes.py [--python 3.11]     # needs uv; reads the package index, downloads no wheels

For Linux on x86-64. For a package without a wheel, the source archive counts. deepface also needs tf-keras, and
insightface needs onnxruntime. Weights downloaded at first use are not included.
"""

import argparse
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS = {
    "deepface": ["deepface", "tf-keras"],
    "face_recognition": ["face_recognition"],
    "insightface": ["insightface", "onnxruntime"],
    "facenet-pytorch": ["facenet-pytorch"],
}


def lock(requirements: list[str], python: str, folder: Path) -> dict[str, object]:
    """Return the lock file of a project with these requirements."""
    listed = ", ".join(f'"{one}"' for one in requirements)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "probe"\nversion = "0"\nrequires-python = "=={python}.*"\ndependencies = [{listed}]\n'
        "[tool.uv]\nenvironments = [\"sys_platform == 'linux' and platform_machine == 'x86_64'\"]\n"
    )
    subprocess.run(["uv", "lock", "-q", "--python", python], cwd=folder, check=True)
    return tomllib.loads((folder / "uv.lock").read_text())


def size(package: dict[str, object], python: str) -> int:
    """Return the size in bytes of the file that would be downloaded."""
    tag = "cp" + python.replace(".", "")
    fitting = re.compile(rf"-({tag}-{tag}|cp3\d*-abi3|py3-none|py2\.py3-none)-(any|\S*linux\S*x86_64)\.whl")
    wheels = [wheel for wheel in package.get("wheels", []) if fitting.search(wheel["url"])]
    wheels.sort(key=lambda wheel: tag not in wheel["url"])
    if wheels:
        return wheels[0]["size"]
    return package.get("sdist", {}).get("size", 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.11")
    options = parser.parse_args()
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for name, requirements in {"facespace, without its own wheel": ours, **PEERS}.items():
        with tempfile.TemporaryDirectory() as folder:
            packages = [
                one for one in lock(requirements, options.python, Path(folder))["package"] if one["name"] != "probe"
            ]
        total = sum(size(one, options.python) for one in packages)
        print(f"{name}: {total / 1e6:.0f} MB in {len(packages)} packages")


if __name__ == "__main__":
    main()
