"""How the ``kernels`` command looks in a terminal: tables and progress."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

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
from rich.table import Table

from ebpf_overhead.kernels.catalogue import Kernel
from ebpf_overhead.kernels.debian import OfferedKernel
from ebpf_overhead.kernels.layout import Layout


class TerminalReporter:
    """Shows notes and progress bars on standard error, so that output can be piped."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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


def print_installed(kernels: Iterable[Kernel], layout: Layout) -> None:
    """Print the table of the kernels that are here."""
    table = Table("release", "version", "arch", "source", "built", "BTF", "kprobes", "IBT", "PTI")
    for kernel in kernels:
        features = kernel.record.features
        flags = [features.get(name, "?") for name in ("btf", "kprobe_events", "ibt", "pti")]
        record = kernel.record
        table.add_row(
            kernel.release, record.version, kernel.arch, kernel.source, record.built_on, *flags
        )
    if table.row_count:
        _print(table)
    else:
        Console().print(f"no kernels in {layout.kernels}; add some: ebpf-overhead kernels add 6.12")


def print_offered(kernels: Iterable[OfferedKernel], present: set[str]) -> None:
    """Print the table of the kernels a mirror offers."""
    table = Table("series", "release", "version", "suite")
    table.add_column("download", justify="right")
    table.add_column("here")
    for kernel in kernels:
        size = "--delisted" if kernel.delisted else decimal(kernel.size_bytes)
        here = "yes" if kernel.release in present else ""
        table.add_row(kernel.series, kernel.release, kernel.version, kernel.suite, size, here)
    _print(table)


def _print(table: Table) -> None:
    console = Console()
    if not console.is_terminal:
        # Piped output is for programs and files: no column is cut to a terminal's width.
        console = Console(width=200)
    console.print(table)
