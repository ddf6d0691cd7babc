"""From which ratio on ``asv continuous`` and ``compare`` see a change: ``default_factor``.

asv's own is 1.1, for times.  Counted instructions are exact, and asv has no setting for it.
``--factor`` on the command line counts for more.
"""

from __future__ import annotations

import sys
from typing import Any

from asv.commands.compare import Compare
from asv.commands.continuous import Continuous

# No other option of these commands begins so, and argparse takes the beginning of a name.
_OPTIONS = ("-f", "--f")


def install() -> None:
    """Have asv heed ``default_factor``, a number above 1."""
    for command in (Compare, Continuous):
        _heed(command)


def _heed(command: Any) -> None:
    run = command.run_from_conf_args.__func__

    def run_by_default(cls: Any, /, conf: Any, args: Any, **options: Any) -> Any:
        given = any(word.startswith(_OPTIONS) for word in sys.argv[1:])
        if not given:
            args.factor = float(getattr(conf, "default_factor", args.factor))
        return run(cls, conf, args, **options)

    command.run_from_conf_args = classmethod(run_by_default)
