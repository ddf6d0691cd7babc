"""Finding BCC, and keeping it quiet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment, open_descriptors

from ebpf_overhead import bcc_library
from ebpf_overhead.bcc_library import HEADERS, captured_stderr, import_bcc, own_headers
from ebpf_overhead.errors import ExitStatus, MissingToolError

HINTS = ("apt-get install python3-bpfcc", "dnf install python3-bcc", "pacman -S python-bcc")


@pytest.fixture
def modules(monkeypatch, tmp_path):
    """A folder that is the only place to find modules in; ``import_bcc`` starts afresh."""
    monkeypatch.setattr(bcc_library, "_search_path", lambda: [str(tmp_path)])
    monkeypatch.setattr(sys, "path", [])
    for name in [name for name in sys.modules if name.split(".")[0] == "bcc"]:
        monkeypatch.delitem(sys.modules, name)
    import_bcc.cache_clear()
    yield tmp_path
    import_bcc.cache_clear()


def plant(folder: Path, **files: str) -> None:
    (folder / "bcc").mkdir()
    for name, text in files.items():
        (folder / "bcc" / f"{name}.py").write_text(text)


def refusal() -> str:
    with pytest.raises(MissingToolError) as caught:
        import_bcc()
    assert caught.value.exit_status == ExitStatus.NOTHING_MEASURABLE
    assert all(hint in str(caught.value) for hint in HINTS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bcc_not_installed(modules):
    assert refusal().startswith("BCC (Python module bcc) not found; install it: ")


def test_another_package_of_that_name(modules):
    """The one of the package index is about something else altogether."""
    plant(modules, __init__="class BPF: pass\n")
    assert f"{modules}/bcc/__init__.py is not the BPF compiler collection" in refusal()
    assert "bcc" not in sys.modules


@pytest.mark.parametrize(
    "body",
    ["raise OSError('libbcc.so.0: cannot open shared object file')", "import no_such_module"],
)
def test_bcc_whose_library_does_not_load(modules, body):
    plant(modules, __init__=body, libbcc="")
    assert "BCC does not load: " in refusal()
    assert "bcc" not in sys.modules, "a second try would find half a module"


def test_bcc_found_is_imported_once_and_by_itself(modules):
    plant(modules, __init__="loaded = []\nfrom .version import __version__", libbcc="")
    (modules / "bcc" / "version.py").write_text("__version__ = '9.9.9'\n")
    (modules / "neighbour.py").write_text("")
    bcc = import_bcc()
    assert import_bcc() is bcc is sys.modules["bcc"]
    assert bcc_library.bcc_version() == "9.9.9"
    with pytest.raises(ImportError):
        import neighbour  # noqa: F401 - what lies beside BCC must stay out of reach


def test_version_of_no_bcc(modules):
    assert bcc_library.bcc_version() is None


@pytest.mark.parametrize("command", [["measure"], ["measure", "--format", "json"]])
def test_command_without_bcc_says_one_line(command):
    code = (
        "from ebpf_overhead import bcc_library, cli;"
        "bcc_library._search_path = lambda: [];"
        f"cli.main({command!r}, prog_name='ebpf-overhead')"
    )
    # -S: no site-packages of a distribution either, so those of this one by hand.
    path = os.pathsep.join(each for each in sys.path if not (Path(each) / "bcc").exists())
    run = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=environment(PYTHONPATH=path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == ExitStatus.NOTHING_MEASURABLE
    (line,) = run.stderr.splitlines()
    assert line.startswith("ebpf-overhead: BCC (Python module bcc) not found; install it: ")
    assert run.stdout == ""


def test_own_headers_for_the_time_of_a_compilation(monkeypatch):
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    with own_headers():
        assert os.environ["BCC_KERNEL_SOURCE"] == str(HEADERS)
    assert "BCC_KERNEL_SOURCE" not in os.environ
    with pytest.raises(ZeroDivisionError), own_headers():
        raise ZeroDivisionError
    assert "BCC_KERNEL_SOURCE" not in os.environ


def test_headers_that_the_user_chose_are_left_alone(monkeypatch):
    monkeypatch.setenv("BCC_KERNEL_SOURCE", "/usr/src/linux")
    with own_headers():
        assert os.environ["BCC_KERNEL_SOURCE"] == "/usr/src/linux"
    assert os.environ["BCC_KERNEL_SOURCE"] == "/usr/src/linux"


def test_header_tree_is_complete():
    found = {str(path.relative_to(HEADERS)) for path in HEADERS.rglob("*.h")}
    assert {"include/linux/kconfig.h", "include/linux/types.h"} <= found


def test_captured_stderr_takes_what_c_code_writes(capfd):
    with captured_stderr() as log:
        os.write(2, b"from C\n")
        print("from Python", file=sys.stderr, flush=True)
        assert log == [], "there is nothing before the end of the block"
    os.write(2, b"after\n")
    assert log[0].splitlines()[0] == "from C"
    assert capfd.readouterr().err.endswith("after\n")


def fail_while_capturing(log: list[list[str]]) -> None:
    with captured_stderr() as captured:
        log.append(captured)
        os.write(2, b"\xff half\n")
        raise ZeroDivisionError


def test_captured_stderr_gives_it_back_after_an_exception(capfd):
    before = open_descriptors()
    logs: list[list[str]] = []
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            fail_while_capturing(logs)
    assert logs == [["\N{REPLACEMENT CHARACTER} half\n"]] * 20
    assert open_descriptors() == before
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"
