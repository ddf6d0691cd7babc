"""What is kept on disk: counted, and cleared, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ebpf_overhead import cli
from ebpf_overhead.guest import rundir
from ebpf_overhead.guest.accel import Memory
from ebpf_overhead.guest.rundir import RunDirectory
from ebpf_overhead.kernels import upkeep
from ebpf_overhead.kernels.layout import DATA_VARIABLE, HISTORY_VARIABLE, default_layout
from ebpf_overhead.programs import store
from ebpf_overhead.programs.program_object import ProgramObject

KINDS = ["objects", "states", "trials", "costs", "runs", "packages", "userlands", "kernels"]


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """Directories of the user's, with something of each kind in them, and one foreign file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setattr(rundir, "_parent", lambda: tmp_path / "tmp")
    for variable in (HISTORY_VARIABLE, store.OBJECTS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "tmp").mkdir()
    layout = default_layout()
    store.keep("a", ProgramObject({}))
    Memory().keep("6.12", "")
    for name in (
        "overheads/6.12.json",
        "states/6.12/state",
        "userlands/arm64-bookworm/userland.json",
        "cache/packages/a.deb",
        "cache/apt/lists/b",
        "keep",
    ):
        path = layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 5000)
    layout.kernels.mkdir()
    return layout


def run(*arguments: str) -> dict[str, dict[str, object]]:
    result = CliRunner().invoke(cli.main, ["cache", "--json", *arguments])
    assert result.exit_code == 0, result.output
    return {row["name"]: row for row in json.loads(result.stdout)}


def test_every_kind_is_counted(layout):
    with_guest = RunDirectory()
    (with_guest.path / "console.log").write_bytes(b"x" * 5000)
    rows = run()
    assert list(rows) == KINDS
    assert {name: row["files"] for name, row in rows.items()} == {
        "objects": 1, "states": 1, "trials": 1, "costs": 1, "runs": 1, "packages": 2,
        "userlands": 1, "kernels": 0,
    }  # fmt: skip
    assert rows["packages"]["size_bytes"] >= 10_000
    assert rows["objects"]["places"] == [str(store.directory())]
    with_guest.remove()


@pytest.mark.parametrize("kind", ["objects", "states", "trials", "costs", "packages", "userlands"])
def test_one_kind_is_cleared(layout, kind):
    before = run()
    after = run("--clear", kind)
    assert after[kind]["files"] == 0
    assert after == {**before, kind: after[kind]}


def test_all_is_cleared_and_nothing_else(layout):
    rows = run("--clear", "all")
    assert {name: row["files"] for name, row in rows.items()} == dict.fromkeys(KINDS, 0)
    assert (layout.root / "keep").exists()
    assert run("--clear", "all"), "what is gone already is no error"


def test_kernels_are_removed_as_by_their_own_command(layout, monkeypatch):
    """Damaged ones, too."""
    (layout.kernels / "6.1.0-1-amd64").mkdir()
    (layout.kernels / "6.1.0-1-amd64/kernel.json").write_text("{")
    removed = []
    remove = upkeep.remove
    monkeypatch.setattr(
        upkeep, "remove", lambda *arguments: removed.append(arguments[1]) or remove(*arguments)
    )
    assert run()["kernels"]["files"] == 1
    assert run("--clear", "kernels")["kernels"]["files"] == 0
    assert removed == [["6.1.0-1-amd64"]]


def test_directory_of_a_guest_that_runs_stays(layout, monkeypatch):
    monkeypatch.setattr(rundir, "_GRACE_S", -1.0)
    running = RunDirectory()
    killed = Path(str(running.path)[:-1] + "?")
    killed.mkdir()
    (killed / "console.log").touch()
    run("--clear", "runs")
    assert running.path.exists()
    assert not killed.exists()
    running.remove()


def test_table_and_misspelt_kind(layout):
    runner = CliRunner()
    shown = runner.invoke(cli.main, ["cache"]).stdout
    assert all(kind in shown for kind in [*KINDS, "all"])
    wrong = runner.invoke(cli.main, ["cache", "--clear", "object"])
    assert wrong.exit_code == 2
    assert "objects" in wrong.stderr
