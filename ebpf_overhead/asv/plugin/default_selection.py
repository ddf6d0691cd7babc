"""What ``asv run`` measures when it is not told: ``default_bench`` of the configuration.

asv would measure everything there is, hundreds of cases, and has no setting for that.
``--bench .`` asks for everything.
"""

from __future__ import annotations

from typing import Any

from asv.benchmarks import Benchmarks

_discover = Benchmarks.discover.__func__


def install() -> None:
    """Have asv heed ``default_bench``, a list of regular expressions as for ``--bench``."""
    Benchmarks.discover = classmethod(_discover_by_default)


def _discover_by_default(
    cls: type[Benchmarks], /, conf: Any, *where: Any, regex: Any = None, **options: Any
) -> Benchmarks:
    """Select as asv does; all benchmarks are found and listed whatever is selected."""
    chosen = regex or getattr(conf, "default_bench", None)
    return _discover(cls, conf, *where, regex=chosen, **options)
