"""Having this process in a cgroup for a while."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError
from ebpf_overhead.workload import cgroup


@pytest.fixture
def hierarchy(tmp_path):
    """Two cgroups below one at the top, of files."""
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.procs").touch()
        (folder / "cgroup.controllers").touch()
    return tmp_path


def test_process_enters_and_leaves(hierarchy, monkeypatch):
    monkeypatch.setattr(cgroup, "_home", lambda path: hierarchy / "a")
    with cgroup.inside(hierarchy / "a" / "b") as home:
        assert (hierarchy / "a/b/cgroup.procs").read_text() == "0"
        assert (hierarchy / "a/cgroup.procs").read_text() == ""
        assert home == hierarchy / "a"
    assert (hierarchy / "a/cgroup.procs").read_text() == "0"


def test_home_is_in_the_same_hierarchy(hierarchy):
    assert cgroup._home(hierarchy / "a" / "b").is_relative_to(hierarchy)


def test_directory_that_is_no_cgroup_of_version_2(tmp_path):
    (tmp_path / "cgroup.procs").touch()
    with (
        pytest.raises(BadUseError, match="is not a directory of a version 2 cgroup"),
        cgroup.inside(tmp_path),
    ):
        pass
