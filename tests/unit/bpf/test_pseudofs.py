"""Reading from file systems that are not mounted."""

from __future__ import annotations

import errno
import os

import pytest
from processes import open_descriptors

from ebpf_overhead.bpf import pseudofs


@pytest.fixture
def tracefs(monkeypatch, tmp_path):
    """A folder that stands for the root of tracefs."""
    root_fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    monkeypatch.setattr(pseudofs, "_root_fd", {"tracefs": root_fd}.__getitem__)
    yield tmp_path
    os.close(root_fd)


def test_text_of_a_file_is_read(tracefs):
    (tracefs / "events").mkdir()
    (tracefs / "events" / "id").write_bytes(b"321\n\xff")
    assert pseudofs.read_text("tracefs", "events/id") == "321\n\N{REPLACEMENT CHARACTER}"


def test_absent_file_raises_os_error_with_its_number(tracefs):
    with pytest.raises(FileNotFoundError):
        pseudofs.read_text("tracefs", "events/id")


def test_files_are_closed_again(tracefs):
    (tracefs / "id").write_text("321")
    before = open_descriptors()
    for _ in range(50):
        pseudofs.read_text("tracefs", "id")
    assert open_descriptors() == before


def test_descriptor_is_not_inherited(tracefs):
    (tracefs / "id").write_text("321")
    fd = pseudofs.open_fd("tracefs", "id")
    try:
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_refused_mount_is_tried_again_next_time(monkeypatch):
    """A refusal must not be cached: the process may gain privileges later."""
    answers = [PermissionError(errno.EPERM, "fsopen"), 4711]

    def mount(fstype: str) -> int:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(pseudofs._syscalls, "detached_mount", mount)
    pseudofs._root_fd.cache_clear()
    try:
        with pytest.raises(PermissionError, match="fsopen"):
            pseudofs.read_text("tracefs", "id")
        assert pseudofs._root_fd("tracefs") == 4711
        assert pseudofs._root_fd("tracefs") == 4711, "mounted once"
        assert answers == []
    finally:
        pseudofs._root_fd.cache_clear()
