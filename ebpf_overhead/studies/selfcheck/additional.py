"""Programs whose cost is known: k instructions more than another, of which nothing is left out.

Each instruction adds one register to another, and so waits for the one before it.  No compiler is
involved: what the verifier is given is what stands here.  It leaves out only what cannot be
reached, and the JIT makes one instruction of the machine of each of these.
"""

from __future__ import annotations

from ebpf_overhead.hooks.attach_types import ATTACH_TYPES
from ebpf_overhead.hooks.cases import Case
from ebpf_overhead.hooks.probe import Probe, load
from ebpf_overhead.measure.run_count_check import prove_runs
from ebpf_overhead.programs.catalogue import Program
from ebpf_overhead.programs.compiled import FUNCTION, CompiledProgram
from ebpf_overhead.programs.insn import ALU64, EXIT, Insn
from ebpf_overhead.programs.program_maps import ProgramMaps
from ebpf_overhead.programs.program_object import Function, ProgramObject
from ebpf_overhead.workload import _workload
from ebpf_overhead.workload.workloads import GETPID

_NAME = "additional_"

_SET, _ADD = ALU64 | 0xB0, ALU64 | 0x08  # dst = imm; dst += src
_BEGIN = (Insn(_SET, dst_reg=2, imm=1), Insn(_SET, dst_reg=0, imm=0))
_ONE_MORE = Insn(_ADD, dst_reg=0, src_reg=2)
_END = (Insn(_SET, dst_reg=0, imm=0), Insn(EXIT))


def case(attach: str, additional: int) -> Case:
    """Return the case of the program with so many additional instructions."""
    summary = f"{additional} additional instructions"
    return Case(GETPID, ATTACH_TYPES[attach], Program(f"{_NAME}{additional}", "", summary))


def compiled(additional: int) -> CompiledProgram:
    """Return the program with so many additional instructions."""
    code = b"".join(map(bytes, (*_BEGIN, *[_ONE_MORE] * additional, *_END)))
    made = ProgramObject({FUNCTION: Function(code)})
    return CompiledProgram(f"{_NAME}{additional}", made, ProgramMaps({}))


def probe(attach: str, additional: int = 0) -> Probe:
    """Return it loaded, to be attached.

    Raises
    ------
    OverheadError
        It cannot be attached so here.
    """
    return load(case(attach, additional), compiled(additional))


def running(attach: str, cpu: int, additional: int = 0) -> Probe:
    """Return the same when the kernel's run count has shown that calls run it; it is detached.

    Raises
    ------
    OverheadError
        It cannot be attached so here, or does not run.
    """

    def call(calls: int) -> None:
        _workload.run(GETPID.name, calls, cpu=cpu)

    made = probe(attach, additional)
    try:
        made.attach()
        prove_runs([made], call)
        made.detach()
    except BaseException:
        made.close()
        raise
    return made
