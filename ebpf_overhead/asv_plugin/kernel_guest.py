"""The environment type ``kernel``: every revision is a kernel, measured in a guest booted on it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asv import environment, util
from asv.console import log

from ebpf_overhead.errors import OverheadError, UnsupportedError
from ebpf_overhead.guest.command import cpu_model
from ebpf_overhead.guest.errors import GuestTimeoutError
from ebpf_overhead.guest.vm import Guest
from ebpf_overhead.kernels import catalogue
from ebpf_overhead.kernels.history import History
from ebpf_overhead.kernels.layout import default_layout

# Imported in the guest before benchmarks are forked: each would spend seconds on it.
PRELOAD = ("asv_runner.run", "ebpf_overhead.percall", "ebpf_overhead.proof:precompile")

# Subcommands of asv's runner that only look at the suite: they need no kernel.
_ON_HOST = frozenset({"discover", "check"})


class KernelGuest(environment.Environment):
    """A guest booted on the kernel that a revision of the kernel history stands for.

    Clock, accelerator and CPU model are part of the environment's name, so results that
    mean different things never share a series.  Under ``CLOCK`` ``icount`` revisions are
    measured in emulated guests; under ``wall`` in guests with hardware virtualisation,
    and the running kernel natively.
    """

    tool_name = "kernel"

    def __init__(
        self,
        conf: Any,
        python: str,
        requirements: dict[str, str],
        tagged_env_vars: dict[tuple[str, str], str],
    ) -> None:
        self._clock = tagged_env_vars.get(("nobuild", "CLOCK"), "icount")
        self._accel = "tcg" if self._clock == "icount" else "native"
        tagged = {
            **tagged_env_vars,
            ("nobuild", "CLOCK"): self._clock,
            ("nobuild", "ACCEL"): self._accel,
        }
        if self._clock == "icount":
            tagged["nobuild", "CPU"] = cpu_model("tcg").partition(",")[0]
        self._python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self._requirements: dict[str, str] = {}
        super().__init__(conf, self._python, {}, tagged)
        self._guest: Guest | None = None
        self._release = ""
        self._share: tempfile.TemporaryDirectory[str] | None = None

    def check_presence(self) -> bool:
        """Return True: the interpreter that runs asv is the environment."""
        return True

    def create(self) -> None:
        """Have asv put its result files where the guest may write them."""
        if self._share is None:
            self._share = tempfile.TemporaryDirectory(prefix="ebpf-overhead-asv-")
            tempfile.tempdir = self._share.name
        Path(self._path).mkdir(parents=True, exist_ok=True)

    def install_project(self, conf: Any, repo: Any, commit_hash: str) -> None:
        """Boot the guest of a revision, unless it is running.

        Raises
        ------
        asv.util.ProcessError
            It cannot be booted; asv then goes on with the next revision.
        """
        try:
            self._boot(commit_hash)
        except OverheadError as error:
            self._stop()
            log.error(str(error))  # asv itself would only name a command that failed
            raise util.ProcessError([self.tool_name, commit_hash], 1, "", str(error)) from error
        self._set_commit_hash(commit_hash)

    def run(self, args: Sequence[str], **options: Any) -> Any:
        """Run asv's runner: in the guest, or on the host what needs no kernel."""
        if args[1] in _ON_HOST or self._guest is None:
            return util.check_output([sys.executable, *args], **options)
        output, status = self._run_in_guest(
            [sys.executable, *args],
            options.get("cwd"),
            _own_variables(options.get("env") or {}),
            options.get("timeout"),
        )
        return (output, "", status) if options.get("return_stderr") else output

    def _boot(self, commit_hash: str) -> None:
        releases = {
            hash_: name for name, hash_ in History(default_layout().history).hashes().items()
        }
        if commit_hash not in releases:
            raise UnsupportedError(
                f"revision {commit_hash[:8]} is no kernel of the history",
                "ebpf-overhead kernels list",
            )
        release = releases[commit_hash]
        if release == self._release and (self._guest is None or self._guest.alive):
            return
        self._stop()
        kernel = catalogue.find(release)
        if kernel.source == "running":
            self._require_wall(release)
        else:
            self._start_guest(kernel)
        self._release = release

    def _require_wall(self, release: str) -> None:
        if self._clock != "wall":
            raise UnsupportedError(
                f"{release} is the running kernel, which has no instruction clock",
                'it is measured where the configuration says "CLOCK": ["wall"]',
            )

    def _start_guest(self, kernel: catalogue.Kernel) -> None:
        if self._clock == "wall":
            raise UnsupportedError(
                f"{kernel.release} would be emulated, and time means nothing there",
                'measure it with "CLOCK": ["icount"]',
            )
        assert self._share is not None
        self._guest = Guest(
            kernel, clock="icount", accel="tcg", share=Path(self._share.name), preload=PRELOAD
        )
        self._guest.start()

    def _run_in_guest(
        self, argv: list[str], cwd: Any, variables: Mapping[str, str], timeout: float | None
    ) -> tuple[str, int]:
        assert self._guest is not None
        chunks: list[bytes] = []
        try:
            done = self._guest.run(
                argv,
                cwd=cwd,
                env=variables,
                timeout=timeout,
                on_output=lambda stream, data: chunks.append(data),
            )
            status = done.exit_status
        except GuestTimeoutError:
            status = util.TIMEOUT_RETCODE
        except OverheadError as error:
            chunks.append(f"\n{error}\n".encode())
            status = 1
            self._restart()
        return b"".join(chunks).decode(errors="replace"), status

    def _restart(self) -> None:
        """Boot again after a panic, so that it costs one benchmark only."""
        assert self._guest is not None
        self._guest.stop()
        try:
            self._guest.start()
        except OverheadError:
            self._stop()

    def _stop(self) -> None:
        guest, self._guest, self._release = self._guest, None, ""
        if guest is not None:
            guest.stop()

    def __del__(self) -> None:
        self._stop()


def _own_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what asv and this project set for a benchmark; the rest is the host's affair."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith("ASV") or name in ("CLOCK", "ACCEL", "CPU")
    }
