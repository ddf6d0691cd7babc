"""Case -> probe: its program, loaded and hooked to a point of its workload."""

from __future__ import annotations

from dataclasses import dataclass

from ebpf_overhead.bpf.helpers import HELPERS, OVERRIDE_RETURN, SIGNALS
from ebpf_overhead.errors import FailedError, OverheadError, status_of
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.cases import Case, select
from ebpf_overhead.hooks.hook import Hook, Site
from ebpf_overhead.hooks.sections import refuse_untyped
from ebpf_overhead.programs.compiled import CompiledProgram
from ebpf_overhead.programs.object_program import made
from ebpf_overhead.workload import workloads


class Probe(Hook):
    """The hook of a case; attached and detached at will.

    Parameters
    ----------
    case : Case
        What it is.
    compiled : CompiledProgram
        The program with its maps.
    point : AttachPoint
        What it is attached to.

    Attributes
    ----------
    case, compiled
        As given.
    """

    def __init__(self, case: Case, compiled: CompiledProgram, point: AttachPoint) -> None:
        self.case = case
        self.compiled = compiled
        super().__init__(Site(case.attach, point), compiled.load)

    @property
    def hook(self) -> str:
        """What it is attached to, found by trying."""
        return str(self.site.point)

    @property
    def _label(self) -> str:
        return self.case.attach.name

    def attach(self) -> None:
        """Attach it; does nothing if it is attached.

        Raises
        ------
        OverheadError
            The kernel refused it, with its reason; a program that reads more than there is says
            what it read.
        """
        try:
            super().attach()
        except OverheadError as error:
            beyond = self._read_beyond()
            if beyond is None:
                raise
            raise beyond from error

    def _read_beyond(self) -> FailedError | None:
        """Return the error for a tracepoint's program that reads beyond the record, if it does."""
        length_bytes = self.case.attach.record_bytes(self.site.point)
        offset, size = self.compiled.flow.context_read()
        if length_bytes is None or offset + size <= length_bytes:
            return None
        return FailedError(
            f"{self.compiled.name} reads {size} bytes at offset {offset} of the record of"
            f" {self.hook}, which has {length_bytes}",
            "choose a workload whose call has that argument: --workload",
        )


def load(case: Case, compiled: CompiledProgram | None = None) -> Probe:
    """Load a case's program so that it can be attached.

    Parameters
    ----------
    case : Case
        Workload, attach type and program.
    compiled : CompiledProgram, optional
        Its compiled program; the shipped one of that name by default.

    Returns
    -------
    Probe
        Loaded, not attached.

    Raises
    ------
    UnsupportedError
        This kernel does not have the hook or does not load the program, or the workload
        cannot be called here.
    RefusedError
        Privileges are missing.
    FailedError
        The program does not compile or verify.
    """
    workloads.require(case.workload)
    if compiled is None:
        compiled = made(case.program)
    if not case.program.is_object:
        refuse_untyped(case.attach)
    _refuse_meddling(compiled)
    reason: OverheadError | None = None
    for point in case.points or case.attach.points(case.workload):
        try:
            return _tried(Probe(case, compiled, point))
        except OverheadError as error:
            reason = _better_reason(reason, error)
    assert reason is not None  # there is always at least one candidate
    raise reason


def _refuse_meddling(compiled: CompiledProgram) -> None:
    """Raise for a program that would end this process, or have calls do nothing."""
    sent = compiled.helpers & set(SIGNALS)
    if sent:
        raise FailedError(
            f"{compiled.name} calls bpf_{HELPERS[min(sent)].name}: the signal would go to whoever"
            " makes the call, this process first",
            "measure it without the signal",
        )
    if OVERRIDE_RETURN in compiled.helpers:
        raise FailedError(
            f"{compiled.name} calls bpf_override_return: the call that is measured would return at"
            " once, and cost less than without the program",
            "measure it without that",
        )


def _tried(probe: Probe) -> Probe:
    """Attach a probe once where that tells whether the kernel takes the point."""
    if probe.case.attach.tried:
        try:
            probe.attach()
        except BaseException:
            probe.close()
            raise
        probe.detach()
    return probe


def _better_reason(old: OverheadError | None, new: OverheadError) -> OverheadError:
    """Return the kernel's first reason that is not a missing name."""
    return new if old is None or "not in the kernel's BTF" in old.what else old


@dataclass(frozen=True)
class Support:
    """Whether an attach type can be measured here.

    Attributes
    ----------
    status : str
        ``available``, ``unsupported``, ``refused`` or ``failed``.
    reason, remedy : str or None
        Why not, and what would help.
    hook : str or None
        What the program was attached to.
    """

    status: str
    reason: str | None = None
    remedy: str | None = None
    hook: str | None = None


def try_attach(attach_type: str) -> Support:
    """Find out by trying whether an attach type works: load, attach and detach once.

    On the first of its workloads.
    """
    case = select([attach_type], ["empty"])[0]
    try:
        with load(case) as probe:
            probe.attach()
            return Support("available", hook=probe.hook)
    except OverheadError as error:
        return Support(status_of(error), error.what, error.remedy or None)
