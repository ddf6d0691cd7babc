"""The compiler is not asked twice about what does not compile."""

from __future__ import annotations

import os

import pytest

from ebpf_overhead.programs import bcc_child, compile_failures, store
from ebpf_overhead.programs.compile_failures import NotCompiledError, known, of_log


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(compile_failures, "_known", {})
    monkeypatch.delenv(store.OBJECTS_VARIABLE, raising=False)


def failing(key, path, asked):
    with known(key, path):
        asked.append(key)
        raise NotCompiledError("mine.c does not compile", "correct it", True)


def test_once_in_a_process_until_a_header_beside_it_changes(tmp_path):
    path, asked = tmp_path / "mine.c", []
    for key in ("a", "a", "b", "a"):
        with pytest.raises(NotCompiledError, match="does not compile; correct it") as caught:
            failing(key, path, asked)
        assert caught.value.needs_headers
    assert asked == ["a", "b"]
    (tmp_path / "mine.h").write_text("int a;")
    with known("a", path):
        asked.append("compiled")
    assert asked == ["a", "b", "compiled"]


def test_a_guest_knows_what_its_host_knows(tmp_path, monkeypatch):
    path, asked = tmp_path / "mine.c", []
    assert list(compile_failures.as_files()) == []
    with pytest.raises(NotCompiledError):
        failing("a", path, asked)
    for name, text in compile_failures.as_files():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(compile_failures, "_known", {})
    monkeypatch.setenv(store.OBJECTS_VARIABLE, str(tmp_path))
    with pytest.raises(NotCompiledError, match="does not compile; correct it"):
        failing("a", path, asked)
    assert asked == ["a"]


@pytest.mark.parametrize("told", ["", "[]", '{"a": 1}'])
def test_what_cannot_be_read_is_not_known(tmp_path, monkeypatch, told):
    (tmp_path / "failures").write_text(told)
    monkeypatch.setenv(store.OBJECTS_VARIABLE, str(tmp_path))
    with known("a", tmp_path / "mine.c"):
        pass


def test_other_failures_are_not_remembered(tmp_path):
    for _ in range(2):
        with pytest.raises(OSError, match="none"), known("a", tmp_path / "mine.c"):
            raise OSError("none")


def test_headers_that_are_missing_are_those_of_the_kernel_that_is_compiled_for(tmp_path):
    log = "mine.c:1:10: fatal error: 'linux/fs.h' file not found"
    for release in ("6.12.1", ""):
        error = of_log(tmp_path / "mine.c", bcc_child.NOT_COMPILED, log, release)
        assert error.needs_headers
        assert f"(linux-headers-{release or os.uname().release} on Debian" in error.remedy
