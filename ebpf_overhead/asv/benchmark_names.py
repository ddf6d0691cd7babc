"""Whether there are the benchmarks that ``--bench`` asks for, known before a kernel is booted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from ebpf_overhead.asv.stored import configuration
from ebpf_overhead.errors import BadUseError, UnknownNameError
from ebpf_overhead.reading import read_text

_METHOD = re.compile(r"(time|track)_")


def require(patterns: Iterable[str], conf_path: Path) -> None:
    """Check the patterns that choose benchmarks.

    Parameters
    ----------
    patterns : iterable of str
        Regular expressions, as for ``asv run --bench``.
    conf_path : Path
        asv's configuration.

    Raises
    ------
    BadUseError
        One is no regular expression, or matches no benchmark.
    """
    classes, methods = _defined(conf_path.parent / configuration(conf_path).benchmark_dir)
    names = [f"{name}.{method}" for name in classes for method in methods]
    for pattern in patterns:
        # What follows the name are parameters, which only asv knows.
        wanted = pattern.partition(r"\(")[0]
        try:
            found = any(re.search(wanted, name) for name in names)
        except re.error as error:
            raise BadUseError(
                f"--bench {pattern!r} is no regular expression: {error}", "see asv run --help"
            ) from error
        if names and not found:
            plain = wanted.replace("\\", "").strip("^$")
            raise UnknownNameError("benchmark", plain, [*classes, *names], "see benchmarks/")


def _defined(folder: Path) -> tuple[list[str], list[str]]:
    """Return ``module.Class`` of all benchmarks, and all methods that any of them may have."""
    classes, methods = [], set()
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(read_text(path))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes.append(f"{path.stem}.{node.name}")
            elif isinstance(node, ast.FunctionDef) and _METHOD.match(node.name):
                methods.add(node.name)
    return classes, sorted(methods)
