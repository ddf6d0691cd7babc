"""Runs asv's benchmark command in a guest, or says of every benchmark why it cannot."""

from __future__ import annotations

import atexit
import multiprocessing
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asv
from asv import util
from asv.console import log

from ebpf_overhead import architectures
from ebpf_overhead.asv.plugin.ways import Way
from ebpf_overhead.errors import MissingToolError, OverheadError, UnsupportedError
from ebpf_overhead.guest.errors import GuestTimeoutError
from ebpf_overhead.guest.rundir import RunDirectory
from ebpf_overhead.guest.user import hand_over
from ebpf_overhead.guest.variants import USUAL, Variant
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels.catalogue import Kernel
from ebpf_overhead.measure import machine_lock
from ebpf_overhead.programs.catalogue import PROGRAMS, STANDARD_PROGRAMS
from ebpf_overhead.programs.compiled import compile_ahead

# Imported in the guest before benchmarks are forked: each would spend seconds on it.
_PRELOAD = ("asv_runner.run", "ebpf_overhead.measure.percall", "ebpf_overhead.measure.run")

_MOST_OUTPUT_BYTES = 1 << 20

# Subcommands of asv's runner that only look at the suite: they need no kernel.
ON_HOST = frozenset({"discover", "check"})
_OWN_VARIABLES = frozenset({"CLOCK", "ACCEL", "CPU", "KERNEL"})


@dataclass(frozen=True)
class _Excuse:
    """Why nothing can be measured; ``skip``: it cannot be, so that n/a is no failure."""

    reason: str
    skip: bool


class _Newest:
    """What a benchmark prints; of one that prints without end, the newest part."""

    def __init__(self) -> None:
        self._data = bytearray()

    def take(self, stream: str, data: bytes) -> None:
        self._data += data
        del self._data[:-_MOST_OUTPUT_BYTES]

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace")


class GuestRunner:
    """The guest of one asv environment, booted again for each revision.

    Attributes
    ----------
    revision : str or None
        What it was booted for, or could not be.
    """

    def __init__(self) -> None:
        self.revision: str | None = None
        self._guest: Guest | None = None
        self._excuse: _Excuse | None = None

    def is_ready(self, revision: str) -> bool:
        """Whether there is nothing to boot for a revision."""
        return revision == self.revision and (self._guest is None or self._guest.alive)

    def boot(
        self,
        revision: str,
        kernel: Kernel,
        way: Way,
        benchmarks: Path,
        python: str = sys.executable,
        variant: Variant = USUAL,
    ) -> None:
        """Boot a kernel for a revision; if it does not, every benchmark will fail for it.

        Parameters
        ----------
        revision : str
            The revision's hash.
        kernel : Kernel
            What to boot.
        way : Way
            How.
        benchmarks : Path
            The directory of the benchmarks.
        python : str, optional
            The interpreter of the benchmarks.
        variant : Variant, optional
            What the guest has that others do not.

        Raises
        ------
        asv.util.UserError
            What guests need is not installed, so no revision can be measured.
        """
        self.leave(revision)
        assert way.accel != "native"
        self._timed = way.clock == "wall"
        compile_ahead(
            [PROGRAMS[name] for name in STANDARD_PROGRAMS],
            architecture=architectures.of(kernel.arch),
        )
        self._guest = Guest(
            kernel,
            clock=way.clock,
            accel="tcg" if way.accel == "tcg" else "auto",
            share=share(),
            # The benchmarks' interpreter may be another one than asv's own.
            shown=[benchmarks.absolute(), Path(asv.__file__).parent],
            python=python,
            preload=_PRELOAD,
            variant=variant,
        )
        self._start()

    def leave(self, revision: str | None = None) -> None:
        """End the guest; what follows is measured on the host, for the revision given."""
        guest, self._guest = self._guest, None
        self.revision, self._excuse = revision, None
        if guest is not None:
            guest.stop()

    def excuse(self, revision: str, error: OverheadError) -> None:
        """Show why a revision cannot be measured, in one line, and have its benchmarks say so."""
        self.leave(revision)
        skip = isinstance(error, UnsupportedError)
        (log.warning if skip else log.error)(str(error))
        self._excuse = _Excuse(str(error), skip)

    def needs_host(self, args: Sequence[str]) -> bool:
        """Whether a command of asv's runner is to be run on the host."""
        return args[1] in ON_HOST or (self._guest is None and self._excuse is None)

    def run(self, argv: Sequence[str], options: Mapping[str, Any]) -> Any:
        """Run asv's runner in the guest; takes and returns what ``util.check_output`` does."""
        if options.get("return_popen"):
            raise util.UserError(
                "asv's fork server cannot be reached in a guest: use --launch-method spawn"
            )
        output, status = self._excused(argv) if self._excuse else self._run(argv, options)
        return (output, "", status) if options.get("return_stderr") else output

    def _start(self) -> None:
        assert self._guest is not None
        assert self.revision is not None
        try:
            self._guest.start()
        except MissingToolError as error:
            raise util.UserError(str(error)) from error
        except OverheadError as error:
            self.excuse(self.revision, error)

    def _run(self, argv: Sequence[str], options: Mapping[str, Any]) -> tuple[str, int]:
        assert self._guest is not None
        if not self._guest.alive:
            self._start()
            if self._excuse:
                return self._excused(argv)
        output = _Newest()
        hand_over(share())  # asv has made files for this command.
        try:
            with machine_lock.waiting(), machine_lock.held() if self._timed else nullcontext():
                status = self._guest.run(
                    argv,
                    cwd=options.get("cwd"),
                    env=_variables(options.get("env") or {}),
                    timeout=options.get("timeout"),
                    on_output=output.take,
                ).exit_status
        except GuestTimeoutError:
            status = util.TIMEOUT_RETCODE
        except OverheadError as error:
            # A panic costs one benchmark: the next one, if there is any, gets a guest again.
            output.take("stderr", f"\n{error}\n".encode())
            status = 1
            self._guest.stop()
        return output.text, status

    def _excused(self, argv: Sequence[str]) -> tuple[str, int]:
        assert self._excuse is not None
        if self._excuse.skip and argv[2] == "run":
            Path(argv[-1]).write_text("NaN")  # as asv's runner writes what setup skipped
        return self._excuse.reason, 0 if self._excuse.skip else 1


@cache
def share() -> Path:
    """Return the directory that guests may write, where asv puts its files from now on."""
    directory = RunDirectory()
    atexit.register(directory.remove)
    place = directory.path / "share"
    place.mkdir()
    hand_over(place)
    tempfile.tempdir = str(place)
    return place


def refuse_worker() -> None:
    """Refuse asv's --parallel, which would boot guests in processes that end at once.

    Raises
    ------
    asv.util.UserError
        This is a worker process of asv's.
    """
    if multiprocessing.parent_process() is not None:
        raise util.UserError(
            "asv's --parallel prepares environments in processes of their own, and a guest cannot"
            " outlive the process that boots it: leave it out;"
            " ebpf-overhead kernels measure runs several guests side by side"
        )


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what asv and this project set for a benchmark; the rest is the host's affair."""
    own = {
        name: value
        for name, value in variables.items()
        if name.startswith("ASV") or name in _OWN_VARIABLES
    }
    if "ASV_PYTHONPATH" in own:  # as asv has it on the host
        own["PYTHONPATH"] = own.pop("ASV_PYTHONPATH")
    return own
