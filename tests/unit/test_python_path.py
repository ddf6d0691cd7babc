"""No command runs Python with the current directory on its search path.

Modules there may be another user's: ``python -m asv`` runs ``./asv.py``, and ``python -c`` imports
``./json.py``.  ``-I`` keeps Python from looking there.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SHELL = re.compile(r"""(?:python[0-9.]*|\$PYTHON|\$\(PYTHON\))"? +(?!-I )-\w* ?[mc]\b""")
_LIST = re.compile(r"""(?:executable|python|PYTHON), *"-(?!I)""")


def commands() -> list[Path]:
    """All files in which commands of this project are written down."""
    sources = [*(ROOT / "ebpf_overhead").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    return [ROOT / "Makefile", *(ROOT / "scripts").iterdir(), *ROOT.glob("asv*.json"), *sources]


@pytest.mark.parametrize("path", commands(), ids=lambda path: str(path.relative_to(ROOT)))
def test_python_is_isolated(path):
    wrong = [
        line.strip()
        for line in path.read_text().splitlines()
        if (_SHELL.search(line) or _LIST.search(line)) and not line.lstrip().startswith("#")
    ]
    # PID 1 of a guest takes the entry out itself, and needs the hash seed that -I ignores.
    assert [line for line in wrong if "_bootstrap(" not in line] == []


@pytest.mark.parametrize(
    "line",
    ["@$(BIN)/python -m asv", '"$PYTHON" -c "import venv"', '[sys.executable, "-m", "asv"]',
     "python3 -m pip install", '[python, "-s", "-c", _FACTS]'],
)  # fmt: skip
def test_what_is_found(line):
    assert _SHELL.search(line) or _LIST.search(line)
