"""The environment type ``kernel``: every revision is a kernel, measured in a guest booted on it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asv import environment, util

from ebpf_overhead.asv.plugin import answers
from ebpf_overhead.asv.plugin.guest_runner import (
    ON_HOST,
    GuestRunner,
    refuse_worker,
    share,
)
from ebpf_overhead.asv.plugin.ways import emulated, native, way_of
from ebpf_overhead.errors import BadUseError, OverheadError
from ebpf_overhead.guest.interpreter import compile_sources
from ebpf_overhead.guest.variants import USUAL_CPU, Variant
from ebpf_overhead.kernels import catalogue
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.record import KernelRecord

CLOCK = ("nobuild", "CLOCK")


class KernelGuest(environment.Environment):
    """The kernel that a revision of the kernel history stands for.

    Clock, accelerator and CPU model are part of the environment's name, so results that
    mean different things never share a series.  So are the boot arguments and the CPU model that
    the matrix of a configuration asks for.  It may ask for a clock; if it does not, each kernel
    is measured in the way of its own, and the name changes with the revision: the running kernel
    is timed where asv runs, every other one counts instructions in an emulated guest.
    """

    tool_name = "kernel"

    def __init__(
        self,
        conf: Any,
        python: str,
        requirements: dict[str, str],
        tagged_env_vars: dict[tuple[str, str], str],
    ) -> None:
        self._asked_for = dict(tagged_env_vars)
        if (clock := tagged_env_vars.get(CLOCK)) not in (None, "icount", "wall"):
            raise util.UserError(f"no clock is called {clock!r}: use icount or wall")
        self._variant = _variant(tagged_env_vars)
        self._runner = GuestRunner()
        self._benchmarks = Path(conf.benchmark_dir)
        self._python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self._requirements: dict[str, str] = {}  # asv asks for the name before it sets them
        self._usual = self._way = native() if clock == "wall" else emulated(self._variant)
        super().__init__(conf, self._python, {}, {**tagged_env_vars, **self._usual.tags})

    def check_presence(self) -> bool:
        """Return True: the interpreter that runs asv is the environment."""
        return True

    def create(self) -> None:
        """Have asv put its result files where the guest may write them."""
        refuse_worker()
        share()
        compile_sources(self._benchmarks)
        Path(self._path).mkdir(parents=True, exist_ok=True)

    def install_project(self, conf: Any, repo: Any, commit_hash: str) -> None:
        """Choose the way to measure a revision; a guest is booted when a benchmark needs it.

        A revision that cannot be measured is no error to asv: it says why, once, and its
        benchmarks fail, or are n/a where this clock cannot measure that kernel at all.
        """
        refuse_worker()
        self._set_commit_hash(commit_hash)
        self._revision = commit_hash
        if self._runner.is_ready(commit_hash):
            return
        self._runner.leave()
        try:
            self._record = _record_of(commit_hash, History(Path(conf.repo)))
            self._way = way_of(self._record, self._asked_for.get(CLOCK), self._variant)
        except OverheadError as error:
            self._way = self._usual
            self._runner.excuse(commit_hash, error)
        # asv asks for name and variables when it has installed a revision and stores results.
        self._tagged_env_vars = {**self._asked_for, **self._way.tags}
        self._global_env_vars["ASV_ENV_NAME"] = self.name

    def run(self, args: Sequence[str], **options: Any) -> Any:
        """Run asv's runner: in the guest, or on the host what needs none."""
        if args[1] in ON_HOST:
            return util.check_output([sys.executable, *args], **options)
        if known := answers.known(args, options):
            return known
        command = [sys.executable, *answers.fill_and_answer(args)]
        self._boot()
        if self._runner.needs_host(args):
            assert self._way.accel == "native"
            return util.check_output(command, **options)
        return self._runner.run(command, options)

    def _boot(self) -> None:
        if self._way.accel == "native" or self._runner.is_ready(self._revision):
            return
        try:
            kernel = _here(self._record)
            self._runner.boot(
                self._revision, kernel, self._way, self._benchmarks, variant=self._variant
            )
        except OverheadError as error:
            self._runner.excuse(self._revision, error)

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            self._runner.leave()


def _variant(variables: dict[tuple[str, str], str]) -> Variant:
    """Return what a configuration's matrix says of its guests."""
    boot_args, cpu = (variables.get(("nobuild", name), "") for name in ("BOOT_ARGS", "CPU"))
    try:
        # Results of the usual CPU are called so, too, where the matrix names it beside others.
        return Variant(boot_args, "" if cpu == USUAL_CPU else cpu)
    except OverheadError as error:
        raise util.UserError(str(error)) from error


def _record_of(commit_hash: str, history: History) -> KernelRecord:
    record = history.records().get(commit_hash)
    if record is None:
        raise BadUseError(
            f"revision {commit_hash[:8]} is no kernel of the history", "ebpf-overhead kernels list"
        )
    return record


def _here(record: KernelRecord) -> catalogue.Kernel:
    """Return the kernel that a revision stands for, out of those on this machine."""
    kernel = catalogue.find(record.release)
    if kernel.record != record:
        raise BadUseError(
            f"{record.release} is another build here ({kernel.record.build}) than the revision's "
            f"({record.build})",
            f"measure it under its own revision, the tag {record.release}",
        )
    return kernel
