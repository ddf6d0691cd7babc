"""Environments whose name says nothing of the kernel are refused where the configuration's own do.

Results of two kernels would have one file, and the later one overwrite the other: ``asv run -E
existing``, ``-E virtualenv``.
"""

from __future__ import annotations

from typing import Any

from asv.environment import Environment
from asv.util import UserError

_create = Environment.__init__


def install(*naming: type[Environment]) -> None:
    """Have asv refuse all but these environments where a configuration is for one of them."""
    own = {each.tool_name for each in naming}

    def create(environment: Environment, conf: Any, *arguments: Any) -> None:
        wanted, kind = conf.environment_type, environment.tool_name
        if wanted in own and kind not in own:
            raise UserError(
                f"results of environment type {kind} do not name the kernel, and those of another"
                f" kernel would overwrite them; leave out -E, which takes {wanted}"
            )
        _create(environment, conf, *arguments)

    Environment.__init__ = create
