"""A class of benchmarks in another project's suite: what it reads, and what it refuses to hide."""

from __future__ import annotations

from typing import ClassVar

import pytest
from kernels_fakes import make_record

from ebpf_overhead.api import program_cost
from ebpf_overhead.errors import BadUseError, FailedError

SkipNotImplemented = pytest.importorskip(
    "asv_runner.benchmarks.mark", reason="asv is not installed: pip install 'ebpf-overhead[bench]'"
).SkipNotImplemented
KERNEL = "5.10.0-32-amd64"
NUMBERS = {"low": 299.5, "estimate": 300.0, "high": 300.5}


def row(program, attach, status="measured", **more):
    sizes = {"windows_per_block": 8, "calls_per_window": 250}
    given = {"reason": "absent", "target": "getpid", "overhead": NUMBERS, **sizes, **more}
    return {"program": program, "attach": attach, "status": status, **given}


class Cost(program_cost.ProgramCost):
    program = "a.bpf.o"
    cases = ("all", "enter, fentry", "leave, fexit")
    lacking: ClassVar = {"5.10": ["leave, fexit"]}

    def setup_cache(self):
        return self.measured()


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """What a suite's environment sets; the calls of `measure`, which finds what is in `cases`."""
    folder = tmp_path / "kernels" / KERNEL
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(make_record(KERNEL, "5.10.234-1").to_json())
    (folder / "origin.json").write_text('{"trust": "a test", "places": []}')
    monkeypatch.setenv("EBPF_OVERHEAD_DATA", str(tmp_path))
    monkeypatch.setenv(program_cost.BUILT, str(tmp_path))
    monkeypatch.setenv(program_cost.KERNEL, KERNEL)
    (tmp_path / "a.bpf.o").touch()
    calls, cases = [], []
    monkeypatch.setattr(
        program_cost, "measure", lambda **given: calls.append(given) or {"cases": cases}
    )
    return calls, cases


def test_the_commit_s_file_is_measured_and_read_by_case(measured, tmp_path):
    calls, cases = measured
    together = {"object": "a.bpf.o", "beside": {"programs": {"fentry": 1}, "together": True}}
    cases += [
        row("a.bpf.o", "fexit", **together),
        row("a.bpf.o:enter", "fentry", object="a.bpf.o", overhead={**NUMBERS, "estimate": 299.9}),
    ]
    cost = Cost()
    cache = cost.setup_cache()
    (asked,) = calls
    assert asked["kernel"] == KERNEL
    assert asked["program"] == [str(tmp_path / "a.bpf.o")]
    cost.setup(cache, "all")
    found = cost.track_overhead(cache, "all")
    assert found["number"] == 2000
    assert sorted(found["samples"]) == found["samples"]
    assert (found["samples"][0], found["samples"][4], found["samples"][8]) == (299.5, 300, 300.5)
    cost.setup(cache, "enter, fentry")
    assert cost.track_overhead(cache, "enter, fentry")["samples"][4] == 299.9


def test_a_case_that_is_not_measured_fails_unless_the_kernel_is_known_to_lack_it(measured):
    _, cases = measured
    cases += [
        row("a.bpf.o:enter", "fentry", "unsupported", object="a.bpf.o"),
        row("a.bpf.o:leave", "fexit", "unsupported", object="a.bpf.o"),
    ]
    cost = Cost()
    cache = cost.setup_cache()
    with pytest.raises(FailedError, match=r"^unsupported: absent; if 5.10 cannot have it, name it"):
        cost.setup(cache, "enter, fentry")
    with pytest.raises(SkipNotImplemented, match="unsupported: absent"):
        cost.setup(cache, "leave, fexit")


def test_a_case_that_the_commit_does_not_have_is_named(measured):
    _, cases = measured
    cases.append(row("a.bpf.o", "fentry"))
    cost = Cost()
    with pytest.raises(FailedError, match=r"has no case 'all'; it has: fentry"):
        cost.setup(cost.setup_cache(), "all")


def test_a_commit_that_built_nothing(measured, tmp_path):
    (tmp_path / "a.bpf.o").unlink()
    with pytest.raises(FailedError, match=r"the commit has no a\.bpf\.o; see build_command"):
        Cost().setup_cache()


def test_without_the_environment(monkeypatch):
    monkeypatch.delenv(program_cost.BUILT, raising=False)
    with pytest.raises(BadUseError, match="ASV_PROGRAMS_DIR is not set"):
        Cost().setup_cache()


def test_asv_finds_no_benchmark_in_the_base():
    """A module of benchmarks imports it."""
    with pytest.raises(TypeError, match="abstract"):
        program_cost.ProgramCost()
