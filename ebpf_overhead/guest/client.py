"""Runs one command in a guest that another process owns.

    python -I -m ebpf_overhead.guest.client [--cwd DIR] [--env NAME=VALUE]... SOCKET COMMAND...

Output and exit status are the command's; 128 + N when signal N ended it, as in a shell, and
`LOST` when the guest is gone.  When this process ends, however it ends, the agent kills the
command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ebpf_overhead.errors import OverheadError
from ebpf_overhead.guest.session import Session, Stream
from ebpf_overhead.guest.waiting import ConnectionLostError

# Not a status that programs use: 124 to 127 are those of timeout, env and shells.
LOST = 123


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, without the program's name; the process's own by default.
    """
    options = _parser().parse_args(argv)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    env = dict(pair.split("=", 1) for pair in options.env)
    try:
        with Session(options.socket) as session:
            done = session.run(command, cwd=options.cwd, env=env, on_output=write_through)
    except ConnectionLostError as error:
        print(f"the guest is lost: {error}", file=sys.stderr)
        return LOST
    except OverheadError as error:
        print(error, file=sys.stderr)
        return int(error.exit_status)
    return shell_status(done.exit_status)


def write_through(stream: Stream, data: bytes) -> None:
    """Write a command's output to this process's own, at once."""
    target = sys.stdout if stream == "stdout" else sys.stderr
    target.buffer.write(data)
    target.buffer.flush()


def shell_status(exit_status: int) -> int:
    """Return an exit status as a shell gives it, from one that is negative for signals."""
    return exit_status if exit_status >= 0 else 128 - exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ebpf_overhead.guest.client", description=__doc__)
    parser.add_argument("socket", type=Path, help="socket of the guest's command port")
    parser.add_argument("--cwd", default=str(Path.cwd()), help="working directory in the guest")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="added to its environment"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command")
    return parser


if __name__ == "__main__":
    sys.exit(main())
