"""The environment type ``running-kernel``: the project's commits on the running or any kernel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asv.environment import EnvironmentUnavailable
from asv.plugins.virtualenv import Virtualenv

from ebpf_overhead.architectures import is_here
from ebpf_overhead.asv.plugin import answers
from ebpf_overhead.asv.plugin.guest_runner import (
    ON_HOST,
    GuestRunner,
    refuse_worker,
    share,
)
from ebpf_overhead.asv.plugin.ways import Way, way_of
from ebpf_overhead.errors import OverheadError, UnsupportedError
from ebpf_overhead.kernels import catalogue

# The benchmark processes run asv's runner; another version may store other results.
_ASV_RUNNER = "==0.3.2"

# Names a kernel to measure on, where the configuration's matrix names none.
VARIABLE = "EBPF_OVERHEAD_KERNEL"
KERNEL = ("nobuild", "KERNEL")
CLOCK = ("nobuild", "CLOCK")


class RunningKernel(Virtualenv):
    """A virtual environment whose results carry the release of the kernel measured on.

    The release is part of the environment's name, so the results of two kernels never
    overwrite each other, and a selector in the published site.  It does not take part
    in building: one virtual environment serves all kernels.

    The kernel is the running one unless the matrix (``KERNEL``) or the environment variable
    names another; that one is booted in a guest, which runs the commit's code.
    """

    tool_name = "running-kernel"

    def __init__(
        self,
        conf: Any,
        python: str,
        requirements: dict[str, str],
        tagged_env_vars: dict[tuple[str, str], str],
    ) -> None:
        wanted = tagged_env_vars.get(KERNEL) or os.environ.get(VARIABLE) or "running"
        self._kernel: catalogue.Kernel | None = None
        self._runner = GuestRunner()
        self._benchmarks = Path(conf.benchmark_dir)
        try:
            tags = self._choose(wanted, tagged_env_vars.get(CLOCK))
        except OverheadError as error:
            # asv shows it and goes on with the other environments.
            raise EnvironmentUnavailable(str(error)) from error
        super().__init__(conf, python, requirements, {**tagged_env_vars, **tags})
        self._base_requirements["pip+asv_runner"] = _ASV_RUNNER

    def _choose(self, wanted: str, clock: str | None) -> dict[tuple[str, str], str]:
        release = os.uname().release
        if wanted in ("running", release):
            if clock == "icount":
                raise UnsupportedError(f"the clock of the running kernel, {release}, is wall")
            return {KERNEL: release}
        self._kernel = catalogue.find(wanted)
        if not is_here(self._kernel.arch):
            # The commit's compiled modules are made by asv, for this machine.
            raise UnsupportedError(
                f"{self._kernel.release} is of {self._kernel.arch}, and commits of the project are"
                " measured on kernels of this machine's architecture",
                "asv.kernels.json measures that kernel by today's code",
            )
        self._way: Way = way_of(self._kernel, clock)
        return {KERNEL: self._kernel.release, **self._way.tags}

    def create(self) -> None:
        """Make the virtual environment; with a guest, asv's files go where it may write them."""
        if self._kernel is not None:
            refuse_worker()
            share()
        super().create()

    def run(self, args: Sequence[str], **options: Any) -> Any:
        """Run asv's runner, in the guest where there is one."""
        if known := answers.known(args, options):
            return known
        # Not booted in install_project: asv leaves that out for the second environment of a
        # commit that the first one installed.
        if self._kernel is not None and args[1] not in ON_HOST:
            commit = self.installed_commit_hash
            if not self._runner.is_ready(commit):
                python = self.find_executable("python")
                self._runner.boot(commit, self._kernel, self._way, self._benchmarks, python)
        args = answers.fill_and_answer(args)
        if self._runner.needs_host(args):
            return super().run(list(args), **options)
        return self._runner.run([self.find_executable("python"), *args], options)

    def __del__(self) -> None:
        if hasattr(self, "_runner"):
            self._runner.leave()
