"""``ebpf-overhead init``: an asv suite of its own for another project."""

from __future__ import annotations

from pathlib import Path

import click

from ebpf_overhead.api.new_suite import CI, CONFIGURATION, NewSuite, kernels_of
from ebpf_overhead.cli import options
from ebpf_overhead.cli.names import KERNEL
from ebpf_overhead.errors import BadUseError

_EXAMPLES = """
\b
Examples:
  ebpf-overhead init --kernel 6.12 build/opens.bpf.o
  ebpf-overhead init --kernel 6.1 --kernel 6.12 --ci github --build 'make -C bpf' bpf/*.bpf.o
  ebpf-overhead init --kernel 6.12 --attach fentry --workload openat_close probe.c
"""


@click.command(name="init", epilog=_EXAMPLES)
@click.argument("program", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--kernel",
    "kernels",
    multiple=True,
    type=KERNEL,
    help="Measure on this kernel; may be repeated.  Needed for a new suite.",
)
@click.option(
    "--build",
    multiple=True,
    metavar="COMMAND",
    help="How a commit's programs are built; may be repeated.  [default: make, if there is a"
    " makefile]",
)
@options.attach("where the file's sections say, or the standard ones")
@options.workload(
    "What to call; may be repeated.  [default: what runs the program]",
    multiple=True,
    type=options.WORKLOAD,
)
@click.option(
    "--ci", multiple=True, type=click.Choice(list(CI)), help="Write a gate for this service, too."
)
@click.option(
    "--directory",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The project's directory.  [default: the current one]",
)
def command(
    program: tuple[str, ...],
    kernels: tuple[str, ...],
    build: tuple[str, ...],
    attach: tuple[str, ...],
    workload: tuple[str, ...],
    ci: tuple[str, ...],
    directory: Path,
) -> None:
    """Write an asv suite into a project: what its programs cost, commit by commit.

    Each FILE, as it is built, gets a class of benchmarks: an object file, an executable that has
    one inside, C source for BCC, or a script of bpftrace's.  No file that is there is changed.
    """
    known = kernels_of(directory)
    if known is not None and (kernels or build):
        raise BadUseError(
            f"{directory / CONFIGURATION} is there and is not changed",
            "leave out --kernel and --build, or change the file yourself",
        )
    if not (chosen := known or kernels):
        raise BadUseError("no kernel to measure on was given", "add --kernel 6.12")
    suite = NewSuite(directory, chosen, program, build or _made(directory), attach, workload, ci)
    written, kept = suite.write()
    for name in written:
        click.echo(f"wrote {name}")
    for name in kept:
        click.echo(f"kept {name}, which was there")
    if known is None:
        click.echo(f"next: ebpf-overhead kernels add {' '.join(kernels)}")
        click.echo("      asv machine --yes --machine guest")
        click.echo("      git add . && git commit; asv run HEAD^!")


def _made(directory: Path) -> tuple[str, ...]:
    names = ("GNUmakefile", "makefile", "Makefile")
    return ("make",) if any((directory / name).exists() for name in names) else ()
