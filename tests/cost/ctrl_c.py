"""How long each command takes from Ctrl-C to its end, and how it ends.

    python tests/cost/ctrl_c.py [WORD]...

Each command is given a few seconds to be in the middle of its work; the words choose commands.
Not a test: what it prints depends on the machine.  The order of events is tested by
tests/unit/cli/test_endings.py and tests/kernel/test_ctrl_c.py.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

PROGRAM = (sys.executable, "-m", "ebpf_overhead.cli")
# Command line, and seconds after which it is in the middle of its work.
COMMANDS = (
    ("measure --time 10m", 4),
    ("measure --time 1s", 1),
    ("study grid --time 10m", 4),
    ("study targets --time 10m", 4),
    ("study bystanders --time 10m", 4),
    ("study coattachment --time 10m", 5),
    ("study scaling --time 10m", 4),
    ("study map-state --time 10m", 4),
    ("study attach-latency --rounds 1000", 4),
    ("study validation --time 10m", 5),
    ("study bpf-stats --time 10m", 4),
    ("estimate syscall:openat -d 1m", 3),
    ("estimate syscall:openat -d 1m", 1),
    ("funclatency syscall:openat", 4),
    ("top -d 1m --json", 4),
    ("profile -d 1m", 4),
    ("doctor", 1),
    ("kernels verify", 1),
    ("measure --kernel 6.12", 2),
    ("measure --kernel 6.12", 14),
    ("guest run 6.12 -- sleep 100", 3),
    ("guest run 6.12 -- sleep 100", 14),
)


def main() -> None:
    """Print a line for each command: seconds, exit status, what it said last."""
    for line, delay_s in COMMANDS:
        if not all(word in line for word in sys.argv[1:]):
            continue
        process = subprocess.Popen(
            [*PROGRAM, *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(delay_s)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, said = process.communicate()
        seconds = time.monotonic() - began
        last = (said.strip().splitlines() or [""])[-1]
        rows = len(output.splitlines())
        ended = f"{seconds:5.2f} s  {process.returncode:4}  {rows:4} lines"
        print(f"{ended}  {line}: {last}", flush=True)


if __name__ == "__main__":
    main()
