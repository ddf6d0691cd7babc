"""``ebpf-overhead contribute``: one run of this machine as a file to send."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ebpf_overhead.api.reading import read
from ebpf_overhead.cli import options
from ebpf_overhead.cli.files import check_writable, write_result
from ebpf_overhead.cli.measure import measure_job
from ebpf_overhead.cli.measuring import wait_option
from ebpf_overhead.cli.output import Output
from ebpf_overhead.cli.progress import say
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.hooks.cases import select
from ebpf_overhead.measure.result import Sampling
from ebpf_overhead.measure.sampling import Precision
from ebpf_overhead.studies.cases_run import Job
from ebpf_overhead.studies.grid.contribution import (
    Contribution,
    contents,
    contribution,
    read_contribution,
)
from ebpf_overhead.studies.registry import DEFAULT

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_CASE_S = 3.0

_EXAMPLES = """
\b
Examples:
  ebpf-overhead contribute
  ebpf-overhead contribute result.json -o mine.json
  ebpf-overhead contribute --check results/machines/*.json

Exit status: 0 written or checked, 2 bad use or no contribution, 3 nothing here can be measured.
"""


@click.command(name="contribute", epilog=_EXAMPLES)
@click.argument("files", nargs=-1, type=_FILE, metavar="[RECORD]")
@click.option(
    "--check", is_flag=True, help="Check contributions instead: their form, and that runs = calls."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=lambda ctx, param, value: check_writable(value),
    help="The file to write.  [default: CPU-KERNEL.json in this directory]",
)
@options.time("case", _CASE_S)
@wait_option
def command(
    files: tuple[Path, ...], check: bool, output: Path | None, time_s: float | None
) -> None:
    """Pack one run of this machine into a file to send (docs/contribute.md).

    RECORD is what measure --json wrote; without it, the reference grid is measured now.  The file
    has the results and what doctor says of the machine, which is shown, and nothing else: no
    name of the machine, of a user, a process or a file.
    """
    if check:
        if not files:
            raise BadUseError("no contribution was given", "name the files to check")
        for path in files:
            click.echo(f"{path}: {read_contribution(path).name}")
        return
    if files[1:]:
        raise BadUseError(f"{len(files)} records were given", "one at a time")
    found = _of_record(files[0]) if files else _measured(time_s)
    path = output or Path(f"{found.name}.json")
    write_result(path, found.to_json())
    say(f"What {path} says of this machine:\n{contents(found)}")
    click.echo(str(path))


def _of_record(path: Path) -> Contribution:
    date = time.strftime("%Y-%m-%d", time.localtime(path.stat().st_mtime))
    return contribution(read(path), date)


def _measured(time_s: float | None) -> Contribution:
    cases = select([], [], [])
    share_s = options.share_of_time(time_s, len(cases), _CASE_S)
    job = Job(DEFAULT, cases, Sampling(Precision.by_default(), share_s))
    output = Output("json")
    record = measure_job(job, None, output)
    if output.cut_short is not None:
        raise output.cut_short
    return contribution(record, time.strftime("%Y-%m-%d"))
