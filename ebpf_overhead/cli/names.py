"""Names as options and arguments take them: checked, completed by the shell, never all listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ebpf_overhead.errors import OverheadError, UnknownNameError

# Older versions of click know no types of parameters' values at run time.
if TYPE_CHECKING:
    _StringType = click.ParamType[str]
else:
    _StringType = click.ParamType

# More are of no use to anybody who completes a word.
_MOST = 1000

Names = Iterable[str] | Callable[[], Iterable[str]]


class NameType(_StringType):
    """One of some names.

    Parameters
    ----------
    kind : str
        What has these names: ``attach type``.
    names : iterable of str, or callable
        The names, or what returns them when they are needed.
    aliases : mapping of str to str, optional
        Other words for some of them, which are not shown.
    checked : bool
        Whether any other name is refused; else the command does that, which knows more.
    files : bool
        Whether the shell completes files, too.
    metavar : str, optional
        Placeholder in the help; ``NAME`` for many names, else the names.
    """

    name = "name"

    def __init__(
        self,
        kind: str,
        names: Names,
        *,
        aliases: Mapping[str, str] | None = None,
        checked: bool = True,
        files: bool = False,
        metavar: str | None = None,
    ) -> None:
        self.kind = kind
        self._names = names
        self._aliases = aliases or {}
        self._checked = checked
        self._files = files
        self._metavar = metavar

    @property
    def shows_names(self) -> bool:
        """Whether the placeholder in the help is the list of the names."""
        return self._metavar is None

    @property
    def of_this_machine(self) -> bool:
        """Whether other machines have other names."""
        return callable(self._names)

    def names(self) -> list[str]:
        """Return the names."""
        return list(self._names() if callable(self._names) else self._names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the placeholder in the help."""
        return self._metavar or f"[{'|'.join(self.names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; fail with the closest ones where there is none like it."""
        text = self._aliases.get(value, str(value))
        if self._checked and text not in (names := self.names()):
            self.fail(str(UnknownNameError(self.kind, text, names)), param, ctx)
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so; none where they cannot be had."""
        try:
            names = self.names()
        except (OverheadError, OSError):
            names = []
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)][:_MOST]
        if self._files and not found:
            return [CompletionItem(incomplete, type="file")]
        return found


def installed_kernels() -> list[str]:
    """Return the releases and the series of the kernels that are here."""
    from ebpf_overhead.kernels.catalogue import installed

    return _with_series(kernel.release for kernel in installed())


def described_kernels() -> list[str]:
    """Return the releases and the series of the kernels whose results are committed here."""
    return _with_series(path.parent.name for path in Path().glob("results/kernel-records/*/*.json"))


def _with_series(releases: Iterable[str]) -> list[str]:
    from ebpf_overhead.kernels.versions import short_name, split_architecture

    named = list(releases)
    series = []
    for release in named:
        _, architecture = split_architecture(release)
        name = ".".join(release.split(".")[:2])
        series.append(short_name(name, architecture.name) if architecture else name)
    return list(dict.fromkeys([*series, *named]))


def attach_points() -> list[str]:
    """Return how attach points are named, the system calls, and the kernel's functions."""
    from ebpf_overhead.hooks.symbols import kernel_functions, syscalls

    forms = ["syscall:", "function:", "kprobe:", "tracepoint:", "uprobe:"]
    return [*forms, *(f"syscall:{name}" for name in syscalls()), *sorted(kernel_functions())]


POINT = NameType("attach point", attach_points, checked=False, files=True, metavar="POINT")
KERNEL = NameType("kernel", installed_kernels, checked=False, metavar="RELEASE")
