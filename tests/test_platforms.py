"""The package can be imported without POSIX-only modules, as on Windows."""

import ast
import subprocess
import sys
from pathlib import Path

import facespace

POSIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix"}

HIDING = f"""
import sys
for name in {sorted(POSIX_ONLY - {"posix"})}:
    sys.modules[name] = None
import facespace, facespace.cli, facespace.gallery, facespace.album, facespace.evaluate
"""
SERVING = """
from pathlib import Path
from facespace.server.keys import KeyFile, Scope
import facespace.server.jobs
keys = KeyFile(Path(sys.argv[1]) / "keys.json")
keys.add("page", (Scope.READ,))
print(len(keys.keys()))
"""


def imported(path):
    """Top-level names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


def test_no_module_imports_what_only_posix_systems_have():
    sources = list(Path(facespace.__file__).parent.rglob("*.py"))
    assert len(sources) > 100
    assert {str(path): found for path in sources if (found := POSIX_ONLY.intersection(imported(path)))} == {}


def test_the_package_is_imported_and_keys_are_kept_without_these_modules(tmp_path):
    try:
        import fastapi  # noqa: F401

        code = HIDING + SERVING
    except ImportError:
        code = HIDING
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("1", "")
