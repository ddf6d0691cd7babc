"""Compiling and loading on the running kernel, and what goes wrong with bad programs."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys

import pytest
from processes import environment

from ebpf_overhead import attach, programs
from ebpf_overhead.bcc_library import HEADERS, import_bcc
from ebpf_overhead.cases import PROGRAMS, STANDARD_PROGRAMS, select
from ebpf_overhead.errors import FailedError

OUT_OF_BOUNDS = """
BPF_ARRAY(cells, u64, 1);
int program(void *ctx)
{
    u32 zero = 0;
    u64 *cell = cells.lookup(&zero);
    return cell ? cell[4096] : 0;
}
"""
UNCHECKED_POINTER = """
BPF_HASH(cells, u32, u64, 1);
int program(void *ctx)
{
    u32 zero = 0;
    u64 *cell = cells.lookup(&zero);
    return *cell;
}
"""
UNKNOWN_NAME = """
int program(void *ctx)
{
    return nonsense;
}
"""


@pytest.fixture
def compilations(monkeypatch):
    """Note every compilation by BCC, and which headers it was told to use."""
    bcc = import_bcc()
    compile_really = bcc.BPF.__init__
    noted: list[str | None] = []

    def compile_and_note(self, *arguments, **options) -> None:
        noted.append(os.environ.get("BCC_KERNEL_SOURCE"))
        compile_really(self, *arguments, **options)

    monkeypatch.setattr(bcc.BPF, "__init__", compile_and_note)
    programs.compiled.cache_clear()
    return noted


def test_programs_are_compiled_once_for_all_attach_types(support, compilations):
    for _ in range(3):
        for case in select():
            if support[case.attach.name].status == "available":
                attach.load(case).close()
    assert len(compilations) == len(STANDARD_PROGRAMS)


def test_kernel_headers_are_the_projects_own_and_no_others(compilations):
    for name in STANDARD_PROGRAMS:
        programs.compiled(PROGRAMS[name])
    assert compilations == [str(HEADERS)] * len(STANDARD_PROGRAMS)
    assert "BCC_KERNEL_SOURCE" not in os.environ


def test_headers_are_given_back_after_a_mistake(compilations, tmp_path):
    source = tmp_path / "mine.c"
    source.write_text(UNKNOWN_NAME)
    with pytest.raises(FailedError):
        programs.compile_source("mine", source)
    assert compilations == [str(HEADERS)]
    assert "BCC_KERNEL_SOURCE" not in os.environ


def test_headers_of_the_users_choice_are_used(compilations, monkeypatch):
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(HEADERS))
    programs.compiled(PROGRAMS["empty"])
    assert compilations == [str(HEADERS)]
    assert os.environ["BCC_KERNEL_SOURCE"] == str(HEADERS)


def test_compile_error_names_file_and_line(tmp_path, capfd):
    source = tmp_path / "mine.c"
    source.write_text(UNKNOWN_NAME)
    with pytest.raises(FailedError) as caught:
        programs.compile_source("mine", source)
    assert str(caught.value).startswith("mine.c does not compile: ")
    assert f"{source}:4:12: error: use of undeclared identifier 'nonsense'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == "", "the compiler's other words are not shown besides"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OUT_OF_BOUNDS, r"invalid access to map value, value_size=8 off=32768 size=8"),
        (UNCHECKED_POINTER, r"R\d invalid mem access '(map_value|mem)_or_null'"),
    ],
)
def test_verifiers_rejection_is_a_failure_in_its_own_words(
    attach_type, tmp_path, capfd, text, words
):
    source = tmp_path / "mine.c"
    source.write_text(text)
    compiled = programs.compile_source("mine", source)
    (case,) = select([attach_type], ["empty"])
    with pytest.raises(FailedError, match=f"verifier rejects mine: {words}") as caught:
        attach.load(case, compiled)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_rejected_program_is_not_left_behind(some_attach_type, tmp_path, nothing_left):
    source = tmp_path / "mine.c"
    source.write_text(OUT_OF_BOUNDS)
    (case,) = select([some_attach_type], ["empty"])

    def load() -> None:
        attach.load(case, programs.compile_source("mine", source))

    with pytest.raises(FailedError):
        load()
    nothing_left()


def test_program_of_the_users_own_serves_every_attach_type(attach_type, tmp_path):
    source = tmp_path / "mine.c"
    source.write_text("int program(void *ctx)\n{\n    return 0;\n}\n")
    (case,) = select([attach_type], ["empty"])
    with attach.load(case, programs.compile_source("mine", source)) as probe:
        probe.attach()
        assert probe.attached


def test_map_is_cleared_and_its_use_counted(attach_type, call):
    (case,) = select([attach_type], ["complex"])
    with attach.load(case) as probe:
        probe.compiled.clear()
        assert probe.compiled.map_use().entries == 0
        probe.attach()
        call(5000)
        probe.detach()
        use = probe.compiled.map_use()
        assert 1 < use.entries <= use.max_entries
        assert use.lost_updates == 0
        probe.compiled.clear()
        assert probe.compiled.map_use().entries == 0


WITHOUT_RAISING_LIMITS = """
import resource, sys
limit = 8 << 20
resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
try:
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, resource.RLIM_INFINITY))
except (ValueError, PermissionError):
    print("refused")
from ebpf_overhead.cases import select
from ebpf_overhead.measure import Options, measure_cases
(result,) = measure_cases(select([sys.argv[1]], ["simple"]), Options(time_s=0.05))
print(result.status, result.reason)
"""
PR_CAPBSET_DROP, CAP_SYS_RESOURCE = 24, 24


def drop_the_right_to_raise_limits() -> None:
    # Takes effect at exec, for root; who is not root has not got the right anyway.
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0)


def test_refused_setrlimit_is_not_fatal(some_attach_type):
    """Where RLIMIT_MEMLOCK cannot be raised, tools that insist on it do not run at all."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAISING_LIMITS, some_attach_type],
        env=environment(),
        preexec_fn=drop_the_right_to_raise_limits,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.splitlines() == ["refused", "measured None"], run.stderr
    assert resource.getrlimit(resource.RLIMIT_MEMLOCK) == limit
