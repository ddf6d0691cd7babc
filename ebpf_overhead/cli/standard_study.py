"""The command of a study with the default runner: `measure` with the study's own cases."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import click

from ebpf_overhead.cli import measure_command, options
from ebpf_overhead.cli.measure import command as _measure
from ebpf_overhead.cli.measure import measure_and_show
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.programs.object_settings import object_settings
from ebpf_overhead.studies import registry
from ebpf_overhead.studies.study import Defaults

# What `measure` is told by a flag, and a study is by its name.
_FLAGS = ("beside", "bpf_stats", "bystander", "bystander_calls", *measure_command.NAMES)


@cache
def command(name: str) -> click.Command:
    """Return the command of a study."""
    defaults = registry.load(name).defaults
    assert defaults is not None

    @options.result("table", *registry.FORMATS)
    def callback(
        attach: tuple[str, ...],
        program: tuple[str, ...],
        workload: tuple[str, ...],
        only: tuple[str, ...],
        map_size: tuple[str, ...],
        variables: tuple[str, ...],
        **given: Any,
    ) -> None:
        settings = object_settings(only, map_size, variables)
        cases = defaults.cases(select(attach, program, workload, settings))
        measure_and_show(name, cases, **given)

    return click.Command(
        name,
        params=[_own(each, defaults) for each in _measure.params if each.name not in _FLAGS],
        callback=callback,
        help=defaults.about,
        epilog=f"\b\nExamples:\n  ebpf-overhead study {name}\n"
        f"  ebpf-overhead study {name} --kernel 6.12\n{options.STATUS}",
    )


def _own(param: click.Parameter, defaults: Defaults) -> click.Parameter:
    """Return a parameter of `measure` with the default of a study."""
    default = getattr(defaults, param.name or "", ())
    if not isinstance(param, click.Option) or not (default or param.name == "kernels"):
        return param
    own = copy.copy(param)
    if param.name == "kernels":  # its tables are of one kernel
        own.help = (param.help or "").partition("  May be")[0]
        return own
    own.default = default
    own.help = (param.help or "").partition("  [default")[0]
    return own
