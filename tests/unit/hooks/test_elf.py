"""Whose code is in a file, and where a function ends and returns."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ebpf_overhead.errors import BadUseError, MissingToolError, UnsupportedError
from ebpf_overhead.hooks import elf, symbols, uprobes
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.function_returns import returns_of
from ebpf_overhead.workload import _workload

GO = '__attribute__((section(".gopclntab"))) const char table[] = "made up";'


@pytest.fixture
def library(tmp_path):
    """Compiles a library, with a section of Go's if that is wanted."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")

    def library(source: str, *options: str) -> str:
        path = tmp_path / "library.so"
        command = [compiler, "-shared", "-x", "c", "-", "-o", str(path), *options]
        subprocess.run(command, input=source, text=True, check=True)
        return str(path)

    return library


def test_go_is_known_by_its_sections(library):
    assert elf.has_go_code(library(GO))
    assert elf.machine(library(GO)) == elf.machine(_workload.workload_symbol()[0])


CHOSEN = """
static int one(int x) { return x; }
static int (*choose(void))(int) { return one; }
int work(int x) __attribute__((ifunc("choose")));
int plain(int x) { return x; }
"""


def test_name_that_stands_for_several_functions_is_refused(library):
    """What has its address is asked once, when a program starts."""
    path = library(CHOSEN)
    try:
        plain = symbols.user_point(f"{path}:plain")
    except MissingToolError as error:
        pytest.skip(str(error))
    assert not elf.chooses(path, plain.offset_bytes)
    with pytest.raises(BadUseError, match=r"work of .* is chosen when a program starts, among"):
        symbols.user_point(f"{path}:work")


VERSIONS = """
int old(int x) { return x; }
int now(int x) { return x + 1; }
__asm__(".symver old, work@ONE\\n.symver now, work@@TWO");
"""


def test_the_version_that_programs_get_now_is_the_function_of_that_name(library, tmp_path):
    script = tmp_path / "versions"
    script.write_text("ONE { global: old; now; };\nTWO { };\n")
    path = library(VERSIONS, f"-Wl,--version-script={script}")
    try:
        found = symbols.user_point(f"{path}:work")
        now, old = (symbols.user_point(f"{path}:{name}") for name in ("now", "old"))
    except MissingToolError as error:
        pytest.skip(str(error))
    assert found.offset_bytes == now.offset_bytes != old.offset_bytes
    assert elf.current_version(path, "now") is None


def test_c_has_no_go_code(tmp_path):
    assert not elf.has_go_code(_workload.workload_symbol()[0])
    text = tmp_path / "text"
    text.write_text("\xff Go buildinf: in no program")
    assert not elf.has_go_code(str(text))


def test_go_without_section_headers(tmp_path):
    header = b"\x7fELF\x02\x01".ljust(18, b"\0") + elf.X86_64.to_bytes(2, "little")
    for content, expected in ((b"\xff Go buildinf:", True), (b"nothing", False)):
        path = tmp_path / content.hex()
        path.write_bytes(header.ljust(4096, b"\0") + content)
        assert elf.has_go_code(str(path)) is expected


@pytest.mark.parametrize("attach", ["uretprobe", "uretprobe_multi", "uprobe_session"])
def test_return_probe_on_go_is_refused_before_anything_is_loaded(library, attach):
    point = AttachPoint("main.work", 16, library(GO))
    with pytest.raises(UnsupportedError, match=r"has Go code \(\.gopclntab\).*; use uprobe"):
        ATTACH_TYPES[attach].find(point)


def test_return_probe_on_c_is_not_refused():
    path, symbol, offset = _workload.workload_symbol()
    assert uprobes.find_steady_stack(AttachPoint(symbol, offset, path)) == 0


@pytest.mark.parametrize(
    ("workload", "offsets"),
    [("function", [1]), ("function_push", [2]), ("function_nop5", [5]), ("function_test", [2])],
)
def test_returns_of_a_function(workload, offsets):
    if workload not in _workload.WORKLOADS or "function_nop5" not in _workload.WORKLOADS:
        pytest.skip("the functions of these bytes are x86_64's")
    path, symbol, offset = _workload.workload_symbol(workload)
    found = returns_of(AttachPoint(symbol, offset, path))
    assert [each.offset_bytes - offset for each in found] == offsets
    assert [each.name for each in found] == [f"{symbol}+{each:#x}" for each in offsets]


def test_function_whose_end_is_not_known():
    path, symbol, offset = _workload.workload_symbol()
    with pytest.raises(UnsupportedError, match="no symbol says where it ends"):
        returns_of(AttachPoint(symbol, offset + 1, path))


def test_function_that_does_not_return(library):
    path = library('void f(void) { for (;;) __asm__ volatile(""); }', "-O1", "-Wl,--build-id=none")
    # The only function that is exported.
    listing = subprocess.run(["nm", "-D", path], capture_output=True, text=True, check=True).stdout
    address = int(next(line.split()[0] for line in listing.splitlines() if line.endswith(" f")), 16)
    with pytest.raises(UnsupportedError, match="no instruction in it returns"):
        returns_of(AttachPoint("f", address, path))
