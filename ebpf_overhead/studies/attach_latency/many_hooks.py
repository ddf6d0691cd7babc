"""One program at many points: a hook for each, or one link that keeps all attached."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice

from ebpf_overhead.closing import Closing
from ebpf_overhead.errors import OverheadError, UnsupportedError
from ebpf_overhead.hooks.attach_point import AttachPoint
from ebpf_overhead.hooks.hook import Hook, Load, Site
from ebpf_overhead.hooks.probe import Probe
from ebpf_overhead.measure.run_count_check import prove_programs
from ebpf_overhead.programs.loaded import LoadedAs, LoadedProgram
from ebpf_overhead.workload import _workload

# Of a point: a program, its link, and the program that is loaded once more.
_DESCRIPTORS = 3


def points(probe: Probe, count: int) -> list[AttachPoint]:
    """Return as many points as asked for: where a probe is, then others of its kind.

    Raises
    ------
    UnsupportedError
        There are not as many.
    """
    attach_type = probe.site.attach_type
    more = (each for each in attach_type.many(probe.case.workload) if _is_there(probe, each))
    found = [probe.site.point, *islice(more, count - 1)]
    if len(found) < count:
        raise UnsupportedError(f"{len(found)} such points are known here, not {count:,}")
    return found


def _allow_descriptors(count: int) -> None:
    """Let this process open so many more, as far as it may say so itself."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = allowed + count
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if most < 0 else min(wanted, most), most))


def _is_there(probe: Probe, point: AttachPoint) -> bool:
    try:
        probe.site.attach_type.find(point)
    except OverheadError:
        return False
    return True


class _OneLink(Hook):
    """A link that keeps a program attached to several points."""

    def __init__(self, probe: Probe, load: Load, points: Sequence[AttachPoint]) -> None:
        self._points = points
        super().__init__(probe.site, load)

    def _open(self) -> int:
        attach_type = self.site.attach_type
        assert attach_type.open_many is not None  # `ManyHooks` says where it is to be used
        return attach_type.open_many(self.program, self._points, attach_type.moment == "return")


class _Shared(LoadedProgram):
    """A program that somebody else unloads."""

    def close(self) -> None:
        """Do nothing."""


class ManyHooks(Closing):
    """A program at many points, attached and detached one after the other, or by one link.

    Where the program is loaded for its point, each point has one; elsewhere all share the probe's.

    Parameters
    ----------
    probe : Probe
        Loaded and not attached: what is attached, and where first.
    points : sequence of AttachPoint
        All of them.
    one_link : bool
        Whether one link keeps it attached to all of them.

    Raises
    ------
    OverheadError
        The kernel refused a program, with its reason.
    """

    def __init__(self, probe: Probe, points: Sequence[AttachPoint], one_link: bool) -> None:
        self._probe = probe
        attach = probe.case.attach
        self._own = attach.by_btf and attach.open_many is None
        load = probe.compiled.load if self._own else self._shared
        _allow_descriptors(_DESCRIPTORS * len(points))
        with ExitStack() as made:
            if one_link:
                self._hooks: list[Hook] = [made.enter_context(_OneLink(probe, load, points))]
            else:
                sites = [Site(probe.case.attach, each) for each in points]
                self._hooks = [made.enter_context(Hook(each, load)) for each in sites]
            self._made = made.pop_all()

    def _shared(self, loaded_as: LoadedAs, what: str) -> LoadedProgram:
        return _Shared(self._probe.program.fd, loaded_as)

    def load_again(self) -> list[LoadedProgram]:
        """Load once more each program that is attached."""
        if not self._own:
            return [self._probe.load_again()]
        return [each.load_again() for each in self._hooks]

    def attach(self) -> None:
        """Attach to all points.

        Raises
        ------
        OverheadError
            The kernel refused one, with its reason.
        """
        for each in self._hooks:
            each.attach()

    def detach(self) -> None:
        """Detach from all points."""
        for each in self._hooks:
            each.detach()

    def check(self) -> None:
        """See that the program at the workload's point runs at least as often as it should.

        Others may pass other points meanwhile.

        Raises
        ------
        FailedError
            It does not.
        """
        case, program = self._probe.case, self._hooks[0].program

        def call(calls: int) -> None:
            _workload.run(case.workload.name, calls)

        prove_programs([(program, case)], call)

    def close(self) -> None:
        """Detach and unload all."""
        self._made.close()
