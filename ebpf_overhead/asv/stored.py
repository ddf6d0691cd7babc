"""What asv stored, by asv's own configuration and objects.

Needs asv, which the suite's environment has and an installed package may lack.
"""

from __future__ import annotations

import ast
import importlib
import itertools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ebpf_overhead.asv.merging import REASONS, parameters_key, read
from ebpf_overhead.errors import BadUseError, MissingToolError
from ebpf_overhead.guest.variants import USUAL_CPU, USUAL_CPUS
from ebpf_overhead.printable import shortened
from ebpf_overhead.reading import convert, naming

# Benchmark and parameters -> the outcome and why, "unsupported: kprobe events absent".
Reasons = Mapping[tuple[Any, ...], str]


def naming_files(conf_path: Path) -> AbstractContextManager[None]:
    """Return a context that names asv's files when what they hold cannot be used."""
    return naming(f"{conf_path}, or a result beside it,", remedy="restore the file, or delete it")


def results_folder(conf_path: Path) -> Path:
    """Return the folder in which an asv configuration stores results.

    Raises
    ------
    MissingToolError
        asv is not installed.
    """
    return conf_path.parent / Path(configuration(conf_path).results_dir)


def revisions_are_kernels(conf_path: Path) -> bool:
    """Whether the revisions of an asv configuration are kernels, not the project's commits."""
    return bool(configuration(conf_path).environment_type == "kernel")


def configuration(conf_path: Path) -> Any:
    """Return asv's configuration from a file.

    Raises
    ------
    BadUseError
        It is none.
    """
    changed_ns = conf_path.stat().st_mtime_ns if conf_path.exists() else 0
    return _configuration(conf_path, changed_ns)


@lru_cache
def _configuration(conf_path: Path, changed_ns: int) -> Any:
    """Read a configuration once, unless it changes: asv's reader of JSON5 is slow."""
    user_error = _asv("util").UserError
    try:
        return _asv("config").Config.load(str(conf_path))
    except (ValueError, TypeError, AttributeError, user_error) as error:
        reason = f"{conf_path} is no configuration of asv: {shortened(str(error))}"
        raise BadUseError(reason, "name asv.conf.json or asv.kernels.json") from error


def stored_results(conf_path: Path) -> Iterator[Any]:
    """Yield the results of an asv configuration, as asv's own objects.

    Raises
    ------
    MissingToolError
        asv is not installed.
    """
    yield from _asv("results").iter_results(str(results_folder(conf_path)))


def usual_results(conf_path: Path) -> Iterator[Any]:
    """Yield the results that are of no variant: what a kernel costs, when nothing else is asked.

    Raises
    ------
    MissingToolError
        asv is not installed.
    """
    return (each for each in stored_results(conf_path) if not is_of_variant(each))


def is_of_variant(result: Any) -> bool:
    """Whether a result is of a guest with boot arguments, or a CPU model, of its own."""
    variables = result.env_vars
    emulated = variables.get("ACCEL") == "tcg"
    return bool(variables.get("BOOT_ARGS")) or (
        emulated and variables.get("CPU", USUAL_CPU) not in USUAL_CPUS
    )


def _asv(name: str) -> Any:
    try:
        return importlib.import_module(f"asv.{name}")
    except ImportError as error:
        raise MissingToolError(
            "asv not found beside ebpf-overhead", "pip install 'ebpf-overhead[bench]'"
        ) from error


def measured_at(result: Any) -> float:
    """Return when a stored result was measured, in asv's milliseconds since 1970."""
    return float(max(result.started_at.values(), default=0))


def reasons_of(conf_path: Path, result: Any) -> Reasons:
    """Return why benchmarks of a stored result have no value, as it was when they ran.

    Parameters
    ----------
    conf_path : Path
        asv's configuration.
    result : asv.results.Results
        One of `stored_results`.
    """
    stored = read(results_folder(conf_path) / result._filename)[REASONS]
    return {
        (name, *_parameters(key)): str(reason)
        for name, by_combination in stored.items()
        for key, reason in by_combination.items()
    }


def by_parameters(result: Any, name: str) -> dict[tuple[str, ...], dict[str, float] | None]:
    """Return a benchmark's value and statistics for each combination of its parameters."""
    if name not in result.get_all_result_keys():
        return {}
    params = result.get_result_params(name)
    values = result.get_result_value(name, params)
    stats = result.get_result_stats(name, params)
    combinations = [_parameters(parameters_key(each)) for each in itertools.product(*params)]
    return {
        # asv stores NaN for what was skipped and null for what failed.
        combination: None if value is None or value != value else _numbers(name, value, stat or {})
        for combination, value, stat in zip(combinations, values, stats, strict=True)
    }


def _numbers(name: str, value: object, stat: Mapping[str, object]) -> dict[str, float]:
    known = {key: each for key, each in stat.items() if each is not None}
    return convert({**known, "value": value}, dict[str, float], name)


def _parameters(key: str) -> tuple[Any, ...]:
    """Return the values of a combination of parameters, of which asv stores the ``repr``."""
    return tuple(ast.literal_eval(f"[{key}]"))
