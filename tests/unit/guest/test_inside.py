"""What runs inside guests of this machine's architecture, and of another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ebpf_overhead import architectures
from ebpf_overhead.architectures import AARCH64, ARCHITECTURES
from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.guest import extensions, initrd, interpreter
from ebpf_overhead.guest.init import Extensions
from ebpf_overhead.guest.inside import inside
from ebpf_overhead.guest.interpreter import PACKAGE_ROOT
from ebpf_overhead.kernels import userland
from ebpf_overhead.kernels.userland import Userland

OTHER = next(each for each in ARCHITECTURES.values() if not architectures.is_here(each.name))
# Writes what it is called with to the file that it is to make.
COMPILER = """#!/bin/sh
for last; do :; done
echo "$*" > "$last"
"""


@pytest.fixture
def userlands(tmp_path):
    """Programs of another architecture, in which nothing can be run."""
    place = tmp_path / "userlands" / f"{OTHER.debian}-{userland.suite()}"
    files = {
        "usr/bin/python3.11": b"\x7fELF", "usr/bin/busybox": b"\x7fELF", "usr/bin/dpkg": b"\x7fELF",
        "usr/include/python3.11/Python.h": b"", "usr/lib/python3.11/abc.py": b"",
        "usr/lib/python3.11/test/big.py": b"", "usr/lib/python3/dist-packages/rich/a.py": b"",
    }  # fmt: skip
    for name, content in files.items():
        (place / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "root" / name).write_bytes(content)
    (place / "root/lib").symlink_to("usr/lib")
    record = {"suite": userland.suite(), "packages": ["a.deb"], "sha256": "0"}
    (place / "userland.json").write_text(json.dumps(record))
    return place.parent


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    path = tmp_path / "bin" / f"{OTHER.triplet}-gcc"
    path.parent.mkdir()
    path.write_text(COMPILER)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)
    return path


def test_guests_of_this_machine_run_its_own_programs(tmp_path):
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not installed")
    found = inside(sys.executable, architectures.here(), tmp_path)
    assert found.warm == interpreter.inspect(sys.executable)
    assert found.files() == []
    assert "/usr" in found.seen().directories
    assert found.loaded(sys.executable, ["json"]) == interpreter.loaded(sys.executable, "json")


def test_guests_of_another_have_a_system_of_their_own(userlands, compiler):
    found = inside(sys.executable, OTHER, userlands)
    assert found.warm.executable == "/usr/bin/python3.11"
    assert sys.executable in found.warm.names
    places = dict(found.files())
    assert places["/usr/bin/busybox"] == found.busybox
    assert places["/lib"].is_symlink()
    # What nobody runs there would fill the memory.
    absent = {
        "/usr/bin/dpkg",
        "/usr/include/python3.11/Python.h",
        "/usr/lib/python3.11/test/big.py",
    }
    assert not absent & places.keys()


def test_of_the_host_they_see_nothing_that_is_compiled(userlands, compiler):
    found = inside(sys.executable, OTHER, userlands)
    seen = found.seen()
    assert str(PACKAGE_ROOT / "ebpf_overhead") in seen.directories
    assert not {"/usr", "/lib", "/bin"} & {*seen.directories, *(place for place, _ in seen.links)}
    assert seen.files == ()
    loaded = found.loaded(
        sys.executable, ["click", "rich", "numpy", "ebpf_overhead.workload.clock"]
    )
    assert any(path.endswith("/click/__init__.py") for path in loaded)
    assert not [path for path in loaded if ".so" in Path(path).name]
    # Their system has its own.
    assert not [path for path in loaded if "/site-packages/rich/" in path]


def test_their_interpreter_looks_for_the_hosts_modules_last(userlands, compiler):
    command = inside(sys.executable, OTHER, userlands).warm.init_command
    assert command[0] == "/usr/bin/python3.11"
    code = command[command.index("-c") + 1].replace(
        "main(sys.argv[1:])", "print(*sys.path, sep='|')"
    )
    done = subprocess.run(
        [sys.executable, "-s", "-c", code], capture_output=True, text=True, check=True
    )
    *_, root, packages = done.stdout.strip().split("|")
    assert Path(root) == PACKAGE_ROOT
    assert Path(packages, "click").is_dir()


def test_programs_or_compiler_that_are_missing(userlands, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=f"apt-get install .* gcc-{OTHER.triplet}"):
        inside(sys.executable, OTHER, userlands)
    with pytest.raises(MissingToolError, match="kernels add"):
        inside(sys.executable, OTHER, tmp_path / "nothing")


def test_extensions_are_built_once_against_the_guests_own_headers(userlands, compiler):
    programs = userland.find(userlands, OTHER)
    built = extensions.built(OTHER, programs)
    assert built.keys() == {"ebpf_overhead.workload._workload", "ebpf_overhead.bpf._syscalls"}
    for name, path in built.items():
        said = path.read_text()
        assert f"--sysroot={programs.root}" in said
        assert f"-I{programs.root}/usr/include/python3.11" in said
        assert f"{name.rpartition('.')[2]}.c" in said
    compiler.write_text("#!/bin/sh\nexit 1\n" + " " * 0)
    # As another compiler it would be asked again.
    os.utime(compiler, ns=(0, 0))
    with pytest.raises(FailedError, match="does not compile for another architecture"):
        extensions.built(OTHER, programs)
    assert not list(programs.directory.glob("extensions/tmp*"))


def test_they_are_the_modules_of_this_package():
    compiled = {path.name.partition(".")[0] for path in PACKAGE_ROOT.glob("ebpf_overhead/*/_*.so")}
    assert {name.rpartition(".")[2] for name in extensions._MODULES} == compiled


@pytest.mark.skipif(
    shutil.which(f"{AARCH64.triplet}-gcc") is None or architectures.is_here("aarch64"),
    reason="no cross compiler for arm64",
)
def test_a_compiler_that_is_there_is_found(tmp_path):
    programs = Userland(tmp_path, "bookworm", [], "0")
    (tmp_path / "root/usr/bin").mkdir(parents=True)
    (tmp_path / "root/usr/bin/python3.11").touch()
    with pytest.raises(FailedError, match="does not compile"):  # There are no headers.
        extensions.built(AARCH64, programs)


def test_compiled_modules_are_found_where_the_guest_has_them(tmp_path):
    finder = Extensions({"package.module": str(tmp_path / "x.so")})
    spec = finder.find_spec("package.module")
    assert spec is not None
    assert spec.origin == str(tmp_path / "x.so")
    assert finder.find_spec("package") is None


def test_script_of_a_system_of_its_own_makes_the_commands_of_busybox():
    assert "busybox --install -s" in initrd.script([], ["/py"], has_system=True)
    assert "--install" not in initrd.script([], ["/py"])
