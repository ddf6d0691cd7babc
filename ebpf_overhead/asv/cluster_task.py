"""What a worker of a cluster does: it measures one kernel of the history, and sends the results.

It runs asv as `side_by_side` does, in a directory of its own that goes with the task, on a suite
that came with the task.  The kernel is the worker's own, as are QEMU and this project: all of them
have to be what they are where the task came from, or counts could differ.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ebpf_overhead
from ebpf_overhead import architectures, machine
from ebpf_overhead.asv import side_by_side, suite
from ebpf_overhead.errors import FailedError, MissingToolError, OverheadError
from ebpf_overhead.guest.command import dotted
from ebpf_overhead.guest.qemu import find_qemu, qemu_version
from ebpf_overhead.guest.rundir import RunDirectory
from ebpf_overhead.kernels import catalogue
from ebpf_overhead.kernels.layout import DATA_VARIABLE, default_layout
from ebpf_overhead.programs.store import cache_directory

# Relative to the directory of a task, and where asv has them.
RESULTS = ".asv/kernels/results"
PLACES = {
    "repo": ".asv/kernels/history",
    "results_dir": RESULTS,
    "env_dir": ".asv/kernels/env",
    "html_dir": ".asv/html",
    "benchmark_dir": "benchmarks",
}


@dataclass(frozen=True)
class Tools:
    """What decides what is counted, besides the kernel.

    Attributes
    ----------
    code : str
        Digest of this project's code and programs.
    python, asv, qemu, bcc : str
        Versions; empty what is not there.
    """

    code: str
    python: str
    asv: str
    qemu: str
    bcc: str

    @classmethod
    def here(cls, architecture: str) -> Tools:
        """Return what this machine has, for guests of an architecture."""
        return cls(_code(), platform.python_version(), _asv(), _qemu(architecture), _bcc())

    def require(self, wanted: Tools) -> None:
        """Raise FailedError unless these are the tools that are wanted."""
        for name, there in asdict(wanted).items():
            here = getattr(self, name)
            if here != there:
                raise FailedError(
                    f"the worker has another {name}, {here[:12] or 'none'} instead of {there[:12]}",
                    "install there what is installed here",
                )


@dataclass(frozen=True)
class Task:
    """A kernel to be measured, and all that asv needs for it.

    Attributes
    ----------
    record : str
        The kernel: its ``kernel.json``.
    release : str
        As ``uname -r`` prints it.
    tools : Tools
        Those that are to be used.
    options : tuple of str
        For ``asv run``.
    files : mapping of str to str
        Texts of the configuration, the benchmarks and stored results, by their names.
    """

    record: str
    release: str
    tools: Tools
    options: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """What came of a task.

    Attributes
    ----------
    exit_status : int
        asv's.
    seconds : float
        How long it took.
    log : str
        All that asv printed.
    results : mapping of str to str
        Texts of the files in asv's folder of results, by their names in it.
    """

    exit_status: int
    seconds: float
    log: str
    results: Mapping[str, str]


def run(task: Task) -> Done:
    """Measure a kernel here.

    Raises
    ------
    FailedError
        The kernel or a tool is missing here, or is another one.
    """
    try:
        kernel = catalogue.find(task.release)
        if kernel.record.to_json() != task.record:
            remedy = f"ebpf-overhead kernels add --replace {task.release}, there or here"
            raise FailedError(f"the worker has another build of {task.release}", remedy)
        Tools.here(kernel.arch).require(task.tools)
        directory = RunDirectory()
        try:
            return _run(task, directory.path)
        finally:
            directory.remove()
    except OverheadError as error:
        # Other kinds cannot be made again of what is sent of them.
        raise FailedError(error.what, error.remedy) from None


def _run(task: Task, folder: Path) -> Done:
    for name, text in task.files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    environment = {
        # asv writes down there what this machine is, and other tasks read it meanwhile.
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(cache_directory().parent),
        DATA_VARIABLE: str(default_layout().root),
    }
    (outcome,) = side_by_side.measure(
        [task.release],
        1,
        folder / suite.CONFIGURATION,
        folder / "log",
        task.options,
        environment=environment,
    )
    log = outcome.log.read_text(encoding="utf-8", errors="replace")
    results = {
        str(path.relative_to(folder / RESULTS)): path.read_text(encoding="utf-8")
        for path in (folder / RESULTS).rglob("*.json")
    }
    return Done(outcome.exit_status, outcome.seconds, log, results)


@cache
def _code() -> str:
    package = Path(ebpf_overhead.__file__).parent
    digest = hashlib.sha256()
    for root in (package, package.parent / "probes"):
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".c", ".h"):
                digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _asv() -> str:
    try:
        return version("asv")
    except PackageNotFoundError:
        return ""


def _qemu(architecture: str) -> str:
    try:
        return dotted(qemu_version(find_qemu(architectures.of(architecture))))
    except MissingToolError:
        return ""


def _bcc() -> str:
    return machine.describe().bpf.bcc_version or ""
