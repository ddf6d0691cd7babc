"""``scripts/userlands``: the table of its cells, and how it reads a Containerfile."""

from __future__ import annotations

import pytest
import script_modules
from processes import ROOT


@pytest.fixture(scope="module")
def script():
    return script_modules.load("userlands")


def cell(land, command, user, status=0, **versions):
    known = {"Python": "3.13.5", "BCC": "", "libbpf": "", "QEMU": ""} | versions
    what = {"land": land, "command": command, "user": user}
    return what | {"status": status, "seconds": 61, "versions": known}


def test_a_line_a_land_and_a_column_a_command_and_user(script):
    cells = [
        cell("13", "bench", "root", BCC="0.31.0"),
        cell("13", "bench", "user", BCC="0.31.0", QEMU="10.0"),
        cell("unstable", "bench", "user", status=2),
    ]
    assert script.table(cells).splitlines() == [
        "| Debian | Python | BCC | libbpf | QEMU | `bench`, root | `bench`, user |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 13 | 3.13.5 | 0.31.0 |  | 10.0 | 0 in 61 s | 0 in 61 s |",
        "| unstable | 3.13.5 |  |  |  |  | 2 in 61 s |",
    ]


def test_steps_of_a_containerfile(script):
    text = '# FROM no\nFROM debian\nRUN a \\\n && b\n\nCMD ["x"]\n'
    assert [*script.steps(text)] == [("FROM", "debian"), ("RUN", "a  && b"), ("CMD", '["x"]')]


def test_the_containerfile_has_steps_that_are_known(script):
    known = {"FROM", "COPY", "RUN", "ENTRYPOINT", "CMD"}
    found = [word for word, _ in script.steps((ROOT / "Containerfile").read_text())]
    assert set(found) == known
    assert found[0] == "FROM"
