"""``ebpf-overhead study``: one command for each question that has a study of its own."""

from __future__ import annotations

import click

from ebpf_overhead.cli.lazy import LazyGroup
from ebpf_overhead.errors import ExitStatus
from ebpf_overhead.studies.registry import ALIASES, STUDIES

# Those whose runner or options are of their own: each has a module here.
_OWN = (
    *(
        "coattachment",
        "scaling",
        "delivery",
        "map-state",
        "attach-latency",
        "decomposition",
        "validation",
    ),
    "selfcheck",
    "explain",
)

_EXAMPLES = """
\b
Examples:
  ebpf-overhead study bystanders
  ebpf-overhead study scaling --help
  ebpf-overhead study map-state --kernel 6.12 --json -o maps.json

Exit status: 0 measured, 1 a case failed, 2 bad use, 3 nothing here can be measured.
"""


def _module(name: str) -> str:
    """Return the module of a study's command."""
    return f"ebpf_overhead.cli.{name.replace('-', '_') if name in _OWN else 'standard_study'}"


@click.command(
    name="study",
    cls=LazyGroup,
    kind="study",
    moved={name: f"study {new}" for name, new in ALIASES.items()},
    table={name: (_module(name), question) for name, question in STUDIES.items()},
    epilog=_EXAMPLES,
)
def command() -> ExitStatus:
    """Answer a question about probes: each study is a command with options of its own."""
    return ExitStatus.MEASURED
