"""Several kernels of the history measured at the same time, each by an asv of its own.

Counted instructions are not disturbed by what else the machine does, so as many guests as
there are CPUs may run.  asv itself runs one after the other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from ebpf_overhead.closing import DieWithParent
from ebpf_overhead.errors import MissingToolError
from ebpf_overhead.trust import refuse_foreign

# asv's exit status when it measured and some benchmark failed.
_SOME_FAILED = 2


@dataclass(frozen=True)
class KernelRun:
    """How measuring a kernel ended.

    Parameters
    ----------
    release : str
        The kernel.
    exit_status : int
        asv's.
    seconds : float
        How long it took.
    log : Path
        All that asv printed.
    reason : str
        Why asv did not run at all, where it did not.
    """

    release: str
    exit_status: int
    seconds: float
    log: Path
    reason: str = ""

    def __str__(self) -> str:
        """Return it in a line, for people."""
        words = {0: "measured", _SOME_FAILED: "measured, but some benchmarks failed"}
        if self.reason:
            return f"{self.release}: not measured: {self.reason}"
        text = words.get(self.exit_status, f"not measured, asv's status {self.exit_status}")
        return f"{self.release}: {text} ({self.seconds:.0f} s; {self.log})"


def measure(
    releases: Sequence[str],
    jobs: int,
    configuration: Path,
    logs: Path,
    options: Sequence[str] = (),
    begin: Callable[[str], None] = lambda release: None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[KernelRun]:
    """Measure kernels, several at a time.

    Parameters
    ----------
    releases : sequence of str
        Kernels of the history.
    jobs : int
        How many at a time.
    configuration : Path
        asv's, for kernels.
    logs : Path
        Directory for what each asv prints.
    options : sequence of str, optional
        For ``asv run``.
    begin : callable, optional
        Told each kernel when its turn comes, from another thread.
    environment : mapping, optional
        Variables that asv gets besides those of this process.

    Yields
    ------
    KernelRun
        In the order in which they end.

    Raises
    ------
    MissingToolError
        asv is not installed beside this package.
    BadUseError
        Another user could have written the configuration, which names code to run.
    """
    refuse_foreign(configuration)
    variables = {**os.environ, **(environment or {})}
    _prepare(configuration, logs, variables)
    children: list[subprocess.Popen[bytes]] = []

    def one(release: str) -> KernelRun:
        begin(release)
        began_s = time.monotonic()
        log = logs / f"{release}.log"
        with log.open("wb") as output:
            child = subprocess.Popen(
                [*_ASV, "run", "--config", str(configuration), *options, f"{release}^!"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=variables,
                # Each thread of the pool lives as long as the processes it starts.
                preexec_fn=DieWithParent(),
            )
            children.append(child)
            status = child.wait()
        return KernelRun(release, status, time.monotonic() - began_s, log)

    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, release) for release in releases]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:  # Ctrl-C: those that wait need not begin, those that run end.
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.terminate()
            raise


# Isolated: `-m` alone would run an asv.py of the current directory, which may be another user's.
_ASV = (sys.executable, "-I", "-m", "asv")


def _prepare(configuration: Path, logs: Path, environment: Mapping[str, str]) -> None:
    """Have asv write down what this machine is, unless it has; it would ask."""
    done = subprocess.run(
        [*_ASV, "machine", "--yes", "--config", str(configuration)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise MissingToolError(
            f"asv does not run: {lines[-1] if lines else done.returncode}",
            "pip install 'ebpf-overhead[bench]'",
        )
    logs.mkdir(parents=True, exist_ok=True)
