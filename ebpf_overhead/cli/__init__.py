"""The command ``ebpf-overhead``: one module per command, imported when it is called."""

from __future__ import annotations

from ebpf_overhead.cli import starting

# isort: split
import sys
from collections.abc import Sequence
from typing import Any

import click

from ebpf_overhead import __version__
from ebpf_overhead.cli import endings
from ebpf_overhead.cli.lazy import LazyGroup

# Name of the command -> (module, line in the help).
_COMMANDS = {
    name: (f"ebpf_overhead.cli.{name.replace('-', '_')}", line)
    for name, line in {
        "measure": "measure what BPF probes cost on the running kernel",
        "study": "answer one question in full: bystanders, co-attachment, map state …",
        "estimate": "say what a probe would cost here, before it is attached",
        "top": "show what the BPF programs loaded on this machine cost",
        "impact": "measure what a whole tool costs the work beside it, on and off",
        "funclatency": "show how long calls of a function take, and how many there are",
        "profile": "show where the time of a probed call goes, with perf and a flame graph",
        "explain": "show where the instructions of a probed call go, in a guest",
        "selfcheck": "check that numbers measured here can be trusted",
        "doctor": "say what this machine is and what can be measured on it",
        "workloads": "list what can be called, and which attach points a call passes how often",
        "report": "show the tables of stored results",
        "schema": "print the JSON schema of a record",
        "plot": "draw figures from records that were stored as JSON",
        "compare": "compare any two results: kernels, records, commits, programs",
        "init": "write an asv suite into another project, to track what its programs cost",
        "contribute": "pack one run of this machine into a file to send",
        "history": "show what probes cost on every kernel that was measured",
        "publish": "publish the stored results as a site that opens from disk",
        "kernels": "fetch, list and remove kernels to measure on",
        "guest": "run a command in a guest booted on a kernel",
        "cache": "show what is kept on disk for later commands, and clear it",
    }.items()
}


# Names that commands had, to what they are now.
_MOVED = {
    "cohabit": "study coattachment",
    "scale": "study scaling",
    "map-state": "study map-state",
    "attach-latency": "study attach-latency",
    "decompose": "study decomposition",
    "validate": "study validation",
}


class _Main(LazyGroup):
    """The whole command: every way in which it ends is one line and an exit status."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command with arguments and end the process."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode, **extra)

        def whole() -> object:
            name = prog_name or endings.PROGRAM
            words = list(sys.argv[1:] if args is None else args)
            endings.open_standard_streams()
            self._main_shell_completion(extra, name, complete_var)
            with endings.handling_signals(), self.make_context(name, words, **extra) as context:
                return self.invoke(context)

        sys.exit(endings.run(whole))


@click.command(
    cls=_Main,
    table=_COMMANDS,
    moved=_MOVED,
    epilog="Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured,"
    " 4 not finished (something else measures, disk, memory, descriptors, or a fault of this"
    " program), 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(__version__, package_name="ebpf-overhead")
def main() -> None:
    """Measure what an eBPF probe costs the workload that it watches."""


starting.done()
