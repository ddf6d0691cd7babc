"""The environment type ``running-kernel``: a virtual environment on the running kernel."""

from __future__ import annotations

import os
from typing import Any

from asv.plugins.virtualenv import Virtualenv

# The benchmark processes run asv's runner; another version may store other results.
_ASV_RUNNER = "==0.3.2"


class RunningKernel(Virtualenv):
    """A virtual environment whose results carry the running kernel's release.

    The release is part of the environment's name, so the results of two kernels never
    overwrite each other, and a selector in the published site.  It does not take part
    in building: one virtual environment serves all kernels.
    """

    tool_name = "running-kernel"

    def __init__(
        self,
        conf: Any,
        python: str,
        requirements: dict[str, str],
        tagged_env_vars: dict[tuple[str, str], str],
    ) -> None:
        tagged = {**tagged_env_vars, ("nobuild", "KERNEL"): os.uname().release}
        super().__init__(conf, python, requirements, tagged)
        self._base_requirements["pip+asv_runner"] = _ASV_RUNNER
