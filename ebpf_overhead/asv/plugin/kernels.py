"""What ``asv.kernels.json`` plugs in besides: its history and results are made when asv starts."""

from __future__ import annotations

from pathlib import Path

from asv.console import log
from asv.util import UserError

from ebpf_overhead.asv.plugin import machines, series, stored_steps
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.errors import OverheadError

__all__ = ["setup"]


def setup() -> None:
    """Prepare the workspace; asv calls this in the folder of its configuration."""
    workspace = Workspace(Path.cwd())
    try:
        workspace.prepare(warn=log.warning)
    except (OverheadError, OSError) as error:
        raise UserError(str(error)) from error
    machines.install(workspace)
    series.install(workspace)
    stored_steps.install()
