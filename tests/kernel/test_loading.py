"""Compiling and loading on the running kernel, and what goes wrong with bad programs."""

from __future__ import annotations

import ctypes
import gc
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from ebpf_overhead.bpf import objects, syscall
from ebpf_overhead.errors import FailedError
from ebpf_overhead.hooks import probe as attach
from ebpf_overhead.hooks.cases import STANDARD_PROGRAMS, select
from ebpf_overhead.programs import compiled as programs
from ebpf_overhead.programs.bcc_compile import Source, compile_source

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


def compiled(path: Path) -> programs.CompiledProgram:
    return programs.with_maps("mine", Source(path))


def test_shipped_programs_are_compiled_once_for_all_attach_types(support, monkeypatch):
    compilations = []

    def note(source: Source):
        compilations.append(source)
        return compile_source(source)

    monkeypatch.setattr(programs, "compile_source", note)
    programs.compiled.cache_clear()
    for _ in range(3):
        for case in select():
            if support[case.attach.name].status == "available":
                attach.load(case).close()
    assert len(compilations) == len(STANDARD_PROGRAMS)


# What BCC attaches as soon as it is compiled, whatever its caller wants.
SELF_ATTACHING = {
    "behind a comment": "int /* x */ raw_tracepoint__sys_enter(void *c)\n{\n    return 0;\n}\n",
    "in a macro": "#define RAW raw_tracepoint__sys_enter\nint RAW(void *c)\n{\n    return 0;\n}\n",
    "included": '#include "hidden.h"\n',
}


@pytest.mark.parametrize("source", SELF_ATTACHING.values(), ids=SELF_ATTACHING.keys())
def test_nothing_is_attached_that_the_command_did_not_attach(source, tmp_path, nothing_left):
    (tmp_path / "hidden.h").write_text("RAW_TRACEPOINT_PROBE(sys_enter)\n{\n    return 0;\n}\n")
    path = tmp_path / "mine.c"
    path.write_text(f"{source}int program(void *ctx)\n{{\n    return 0;\n}}\n")
    before = attached()
    with pytest.raises(FailedError, match=r"mine\.c defines raw_tracepoint__sys_enter, which BCC"):
        compiled(path)
    assert attached() == before
    nothing_left()


def attached() -> tuple[set[int], list[str]]:
    """Return the links of the machine, and the perf events and BPF objects of this process."""
    gc.collect()  # descriptors of what nobody uses any more
    links = set(objects.ids(syscall.BpfCommand.LINK_GET_NEXT_ID))
    names = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return links, sorted(name for name in names if "perf_event" in name or "bpf" in name)


def test_compile_error_names_file_and_line(tmp_path, capfd):
    source = tmp_path / "mine.c"
    source.write_text(UNKNOWN_NAME)
    with pytest.raises(FailedError) as caught:
        compiled(source)
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
    mine = compiled(source)
    (case,) = select([attach_type], ["empty"])
    with pytest.raises(FailedError, match=f"verifier rejects mine: {words}") as caught:
        attach.load(case, mine)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_rejected_program_is_not_left_behind(some_attach_type, tmp_path, nothing_left):
    source = tmp_path / "mine.c"
    source.write_text(OUT_OF_BOUNDS)
    (case,) = select([some_attach_type], ["empty"])

    def load() -> None:
        attach.load(case, compiled(source))

    with pytest.raises(FailedError):
        load()
    nothing_left()


def test_program_of_the_users_own_serves_every_attach_type(attach_type, tmp_path):
    source = tmp_path / "mine.c"
    source.write_text("int program(void *ctx)\n{\n    return 0;\n}\n")
    (case,) = select([attach_type], ["empty"])
    with attach.load(case, compiled(source)) as probe:
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
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.run import measure_cases
(result,) = measure_cases(select([sys.argv[1]], ["simple"]), Sampling(time_s=0.05))
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
