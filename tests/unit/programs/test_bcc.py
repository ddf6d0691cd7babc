"""Finding BCC's library, and the headers that it may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import run_command

from ebpf_overhead.errors import BadUseError, ExitStatus, MissingToolError
from ebpf_overhead.programs import bcc
from ebpf_overhead.programs.bcc import HEADERS

HINTS = ("apt-get install libbpfcc", "dnf install bcc", "pacman -S bcc")


@pytest.fixture
def places(monkeypatch, tmp_path):
    """A folder in which nothing is, and which is all that is searched."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(bcc, "_LINKER_CACHE", tmp_path / "ld.so.cache")
    monkeypatch.setattr(bcc, "_USUAL_PLACES", (str(tmp_path),))
    bcc.library_path.cache_clear()
    yield tmp_path
    bcc.library_path.cache_clear()


def test_not_installed(places):
    with pytest.raises(MissingToolError) as caught:
        bcc.library_path()
    assert caught.value.exit_status == ExitStatus.NOTHING_MEASURABLE
    assert str(caught.value).startswith("BCC: libbcc.so.0 not found; install it: ")
    assert all(hint in str(caught.value) for hint in HINTS)


def test_in_a_usual_place(places):
    (places / "libbcc.so.0.26.0").touch()
    (places / "libbcc.so.0").symlink_to("libbcc.so.0.26.0")
    assert bcc.library_path() == places / "libbcc.so.0.26.0"


def test_where_the_linker_finds_it(places):
    library = places / "odd" / "libbcc.so.0"
    library.parent.mkdir()
    library.touch()
    # Beside names of other libraries, and of one that is gone.
    strings = [b"libbcc.so.0", b"/gone/libbcc.so.0", bytes(library), b"/lib/libbcc.so.0.1"]
    (places / "ld.so.cache").write_bytes(b"glibc-ld.so.cache1.1\x01" + b"\0".join(strings) + b"\0")
    assert bcc.library_path() == library


def test_where_the_user_says(places, monkeypatch):
    (places / "own").mkdir()
    (places / "own/libbcc.so.0").touch()
    (places / "libbcc.so.0").touch()
    # An empty entry is the current directory to the linker, but not here.
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{places}/own")
    monkeypatch.chdir(places)
    assert bcc.library_path() == places / "own/libbcc.so.0"


def test_library_that_does_not_load(places):
    (places / "libbcc.so.0").write_text("no library")
    bcc.library.cache_clear()
    with pytest.raises(MissingToolError, match=r"BCC: .*libbcc.so.0: .*; install it"):
        bcc.library()


def test_command_without_bcc_says_one_line(tmp_path):
    code = "from ebpf_overhead.programs import bcc; bcc._LINKER_CACHE = bcc.Path('/nope'); "
    code += "bcc._USUAL_PLACES = ()"
    (tmp_path / "sitecustomize.py").write_text(code)
    for arguments in (["measure"], ["measure", "--format", "json"]):
        run = run_command(*arguments, PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[3]}")
        assert run.returncode == ExitStatus.NOTHING_MEASURABLE
        (line,) = run.stderr.splitlines()
        assert line.startswith("ebpf-overhead: BCC: libbcc.so.0 not found; install it: ")
        assert run.stdout == ""


def test_own_headers_unless_the_user_names_others(monkeypatch):
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    assert bcc.header_tree() == HEADERS


@pytest.fixture
def chosen_headers(monkeypatch, tmp_path):
    """Kernel headers of the user's choice."""
    kconfig = tmp_path / "headers/include/linux/kconfig.h"
    kconfig.parent.mkdir(parents=True)
    kconfig.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BCC_KERNEL_SOURCE", "headers")
    return tmp_path / "headers"


def test_headers_that_the_user_chose(chosen_headers):
    assert bcc.header_tree() == chosen_headers


def test_directory_without_headers(chosen_headers):
    """BCC would take others, from a directory in /tmp that anybody can make."""
    (chosen_headers / "include/linux/kconfig.h").unlink()
    with pytest.raises(BadUseError, match=r"headers has no include/linux/kconfig\.h; name a"):
        bcc.header_tree()


def test_headers_that_others_may_write(chosen_headers):
    chosen_headers.chmod(0o777)
    with pytest.raises(BadUseError, match=r"everybody can write to .*headers; chmod o-w"):
        bcc.header_tree()


def test_header_tree_is_complete():
    found = {str(path.relative_to(HEADERS)) for path in HEADERS.rglob("*.h")}
    assert {"include/linux/kconfig.h", "include/linux/types.h"} <= found
