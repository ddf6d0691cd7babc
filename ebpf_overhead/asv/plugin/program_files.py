"""The environment type ``programs``: any project's commits, whose BPF programs guests measure."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asv import environment, util

from ebpf_overhead.asv.plugin import answers
from ebpf_overhead.asv.plugin.running_kernel import KERNEL, VARIABLE
from ebpf_overhead.asv.plugin.ways import way_of
from ebpf_overhead.errors import BadUseError, OverheadError
from ebpf_overhead.kernels import catalogue

# Where the benchmarks find what was built (`ebpf_overhead.api.program_cost`).
BUILT = "ASV_PROGRAMS_DIR"


class ProgramFiles(environment.Environment):
    """A commit of a project, checked out and built; its benchmarks measure in guests by themselves.

    ``build_command`` runs in the checkout, in which the benchmarks then find object files or
    sources.  The interpreter is the one that runs asv, so every commit is measured by the same
    version of this project.  The kernel's release, clock, accelerator and CPU model are part of
    the environment's name; one checkout serves all kernels.
    """

    tool_name = "programs"

    def __init__(
        self,
        conf: Any,
        python: str,
        requirements: dict[str, str],
        tagged_env_vars: dict[tuple[str, str], str],
    ) -> None:
        try:
            kernel = _kernel(tagged_env_vars.get(KERNEL))
            tags = {KERNEL: kernel.release, **way_of(kernel, "icount").tags}
        except OverheadError as error:
            # Not left out as asv would: a gate must not pass because a kernel is not there.
            raise util.UserError(str(error)) from error
        self._python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self._requirements: dict[str, str] = {}  # asv asks for the name before it sets them
        super().__init__(conf, self._python, {}, {**tagged_env_vars, **tags})
        place = Path(self._build_root, self._repo_subdir or "")
        self._global_env_vars[BUILT] = str(place)

    def check_presence(self) -> bool:
        """Return True: the interpreter that runs asv is the environment."""
        return True

    def create(self) -> None:
        """Make the directory of the checkout."""
        Path(self._path).mkdir(parents=True, exist_ok=True)

    def find_executable(self, executable: str) -> str:
        """Return asv's own interpreter, or a command that builds, from PATH."""
        return sys.executable if executable == "python" else str(util.which(executable))

    def run(self, args: Sequence[str], **options: Any) -> Any:
        """Run asv's runner; what a class measured in one go is answered at once."""
        if known := answers.known(args, options):
            return known
        return self.run_executable("python", list(answers.fill_and_answer(args)), **options)


def _kernel(named: str | None) -> catalogue.Kernel:
    """Return the kernel of the matrix, or of the variable where the matrix has none."""
    asked = os.environ.get(VARIABLE)
    if not (wanted := named or asked):
        raise BadUseError(
            "no kernel to measure on",
            f'have "matrix": {{"env_nobuild": {{"KERNEL": ["6.12"]}}}}, or set {VARIABLE}',
        )
    kernel = catalogue.find(wanted)
    if asked and not kernel.record.is_called(asked):
        # One job of a CI's matrix: asv goes on with the other environments.
        raise environment.EnvironmentUnavailable(f"{wanted} is left out: {VARIABLE}={asked}")
    return kernel
