"""Behaving as a freshly started Python interpreter in a process forked from a warm one.

Starting an interpreter and its imports costs seconds of emulated instructions, a fork some
tens of milliseconds.  What differs from a fresh start: modules are imported already, and the
interpreter's own options are those of the warm process.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal

# Options that a forked process can follow: isolated, no user site, no byte code written,
# unbuffered output.
_POSSIBLE = frozenset("IsBu")


@dataclass(frozen=True)
class Invocation:
    """A command line of Python, taken apart.

    Parameters
    ----------
    kind : str
        What is run: a ``script`` or directory, a ``module``, or ``code``.
    target : str
        Its path, its name, or the code itself.
    arguments : tuple of str
        What follows it.
    isolated : bool
        Whether nothing is added to the search path.
    unbuffered : bool
        Whether output is written at once.
    original : tuple of str
        The whole command line.
    """

    kind: Literal["script", "module", "code"]
    target: str
    arguments: tuple[str, ...]
    isolated: bool
    unbuffered: bool
    original: tuple[str, ...]


def parse(argv: Sequence[str]) -> Invocation | None:
    """Take a Python command line apart.

    Parameters
    ----------
    argv : sequence of str
        Beginning with the interpreter.

    Returns
    -------
    Invocation or None
        None when only a fresh interpreter can do it: it has an option that matters at
        start, or is to be interactive.
    """
    options: set[str] = set()
    rest = list(argv[1:])

    def invocation(kind: Literal["script", "module", "code"], target: str) -> Invocation:
        return Invocation(
            kind, target, tuple(rest), "I" in options, "u" in options, original=tuple(argv)
        )

    while rest:
        word = rest.pop(0)
        if word in ("-m", "-c"):
            return invocation("module" if word == "-m" else "code", rest.pop(0)) if rest else None
        if word == "-" or not word:
            return None
        if not word.startswith("-"):
            return invocation("script", word)
        if not set(word[1:]) <= _POSSIBLE:
            return None
        options.update(word[1:])
    return None


def run(invocation: Invocation) -> int:
    """Run a program in this process as an interpreter would, to the end.

    Parameters
    ----------
    invocation : Invocation
        From `parse`.

    Returns
    -------
    int
        The exit status.  The caller ends the process with it, without any further clean-up.
    """
    _fresh_streams(invocation.unbuffered)
    _fresh_paths(invocation)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.enable()
    try:
        _execute(invocation)
        status = 0
    except SystemExit as end:
        status = _exit_status(end)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        status = 128 + signal.SIGINT
    except BaseException:
        # Through the hook, which programs replace.
        sys.excepthook(*sys.exc_info())
        status = 1
    return _finish(status)


def _execute(invocation: Invocation) -> None:
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    if invocation.kind == "module":
        import runpy  # Here: not every guest needs it at its boot.

        # What `python -m` itself calls.
        runpy._run_module_as_main(invocation.target)  # type: ignore[attr-defined]
        return
    if invocation.kind == "code":
        exec(compile(invocation.target, "<string>", "exec"), main.__dict__)
        return
    path = Path(invocation.target)
    if path.is_dir() or path.suffix in (".zip", ".pyz", ".pyc"):
        import runpy

        runpy.run_path(invocation.target, run_name="__main__")
        return
    code = _compiled(invocation.target)
    main.__dict__.update(__file__=invocation.target, __cached__=None)
    exec(code, main.__dict__)


def _compiled(path: str) -> CodeType:
    try:
        source = Path(path).read_bytes()
    except OSError as error:
        # As the interpreter says it.
        print(f"python: can't open file {path!r}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    return compile(source, path, "exec")


def _fresh_paths(invocation: Invocation) -> None:
    if not invocation.isolated:
        added = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        sys.path[:0] = [_first_path(invocation), *added]
    # A finder remembers what a directory holds; the share may hold more by now.
    sys.path_importer_cache.clear()
    name = {"code": "-c", "module": "-m"}.get(invocation.kind, invocation.target)
    sys.argv = [name, *invocation.arguments]
    sys.orig_argv = list(invocation.original)


def _first_path(invocation: Invocation) -> str:
    """Return where the interpreter looks first for modules."""
    if invocation.kind == "code":
        return ""
    if invocation.kind == "module":
        return str(Path.cwd())
    script = Path(invocation.target)
    return str(script if script.is_dir() else script.resolve().parent)


def _fresh_streams(unbuffered: bool) -> None:
    # Those of the warm process are its console.
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(1, unbuffered)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, True, errors="backslashreplace")  # type: ignore[misc]


def _writer(descriptor: int, unbuffered: bool, errors: str = "strict") -> io.TextIOWrapper:
    return io.TextIOWrapper(
        open(descriptor, "wb", closefd=False),
        encoding="utf-8",
        errors=errors,
        line_buffering=unbuffered or os.isatty(descriptor),
        write_through=unbuffered,
    )


def _exit_status(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _finish(status: int) -> int:
    # The order in which the interpreter itself does it (Py_FinalizeEx).
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return status or 120  # As the interpreter does when output is lost.
    return status
