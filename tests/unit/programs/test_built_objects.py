"""The committed objects are what their sources make, where the compiler is here that made them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.measure.caller_counter import shipped
from ebpf_overhead.programs.bcc_compile import Source, compile_source
from ebpf_overhead.programs.compiled import source_path

OBJECTS = Path(__file__).parents[2] / "data" / "objects"
# With another compiler, or other headers of libbpf, the same sources make other code.
MADE_BY, HEADERS = "14.0.6", "#define LIBBPF_MINOR_VERSION 1"


def test_the_caller_counter_is_shipped_as_its_source_makes_it():
    """Write it again with shipped(compiled_counter().made), of ``measure/caller_counter.py``."""
    try:
        made = compile_source(Source(source_path("caller_counter")))
    except MissingToolError as error:
        pytest.skip(str(error))
    if not any("libLLVM-14" in path for path in made.made_from):
        pytest.skip("another compiler made it")
    assert source_path("caller_counter").with_suffix(".json").read_text() == shipped(made)


def test_objects_are_what_their_sources_make(tmp_path):
    clang = shutil.which("clang-14")
    version = Path("/usr/include/bpf/libbpf_version.h")
    if clang is None or not version.exists():
        pytest.skip("clang-14 or libbpf-dev is not installed")
    told = subprocess.run([clang, "--version"], capture_output=True, text=True, check=True).stdout
    if MADE_BY not in told or HEADERS not in version.read_text():
        pytest.skip("another version made the objects")
    subprocess.run([OBJECTS / "build", tmp_path], check=True)
    names = {path.name for path in OBJECTS.glob("*.bpf.o")}
    assert {path.name for path in tmp_path.iterdir()} == names
    differ = [n for n in names if (tmp_path / n).read_bytes() != (OBJECTS / n).read_bytes()]
    assert differ == []
