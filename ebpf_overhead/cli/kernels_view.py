"""How the ``kernels`` command looks in a terminal: tables and progress."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ebpf_overhead.closing import Closing
from ebpf_overhead.kernels.catalogue import Kernel
from ebpf_overhead.kernels.debian import OfferedKernel
from ebpf_overhead.kernels.layout import Layout
from ebpf_overhead.report.console import PlainConsole, print_line, print_table

_ADD = "ebpf-overhead kernels add 6.12"


class TerminalReporter(Closing):
    """Shows notes and progress bars on standard error, so that output can be piped."""

    def __init__(self) -> None:
        self._console = PlainConsole(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> TerminalReporter:
        self._progress.start()
        return self

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """Show how far a step is; its bar goes away when it is complete."""
        total = max(total_bytes, 1)
        if label not in self._tasks:
            self._tasks[label] = self._progress.add_task(label, total=total)
        task = self._tasks[label]
        self._progress.update(task, completed=done_bytes, total=total)
        if done_bytes >= total_bytes > 0:
            self._progress.remove_task(self._tasks.pop(label))


def print_installed(kernels: Sequence[Kernel], layout: Layout, console: Console) -> None:
    """Print the table of the kernels that are here."""
    if not kernels:
        print_line(console, f"no kernels in {layout.kernels}; add some: {_ADD}")
        return
    rows = []
    for kernel in kernels:
        features = kernel.record.features
        record = kernel.record
        rows.append(
            (
                *(kernel.release, record.version, kernel.arch, kernel.source, record.built_on),
                *(features.get(name, "?") for name in ("btf", "kprobe_events", "ibt", "pti")),
            )
        )
    headings = ("release", "version", "arch", "source", "built", "BTF", "kprobes", "IBT", "PTI")
    print_table(console, headings, rows, words=range(len(headings)))


def print_offered(kernels: Iterable[OfferedKernel], present: set[str], console: Console) -> None:
    """Print the table of the kernels a mirror offers."""
    rows = []
    for kernel in kernels:
        size = "--delisted" if kernel.delisted else decimal(kernel.size_bytes)
        here = "yes" if kernel.release in present else ""
        rows.append((kernel.series, kernel.release, kernel.version, kernel.suite, size, here))
    headings = ("series", "release", "version", "suite", "download", "here")
    print_table(console, headings, rows, words=(0, 1, 2, 3, 5))
