"""What asv runs in guests, without the seconds that real benchmarks take."""

import os
import time
from pathlib import Path

RELEASE = os.uname().release


def track_series():
    major, minor = RELEASE.split(".")[:2]
    return 100 * int(major) + int(minor)


def track_clock_is_icount():
    return int(os.environ.get("EBPF_OVERHEAD_CLOCK") == "icount")


def track_panic():
    if os.environ.get("ASV_TEST_PANIC") == RELEASE:
        Path("/proc/sysrq-trigger").write_text("c")
    return 1


track_panic.timeout = 60


def track_hang():
    if os.environ.get("ASV_TEST_HANG") == RELEASE:
        # A panic that waits for somebody at the keyboard: nothing runs any more, QEMU does.
        Path("/proc/sys/kernel/panic").write_text("0")
        Path("/proc/sysrq-trigger").write_text("c")
    return 1


track_hang.timeout = 10


def track_stuck():
    while os.environ.get("ASV_TEST_STUCK") == RELEASE:
        time.sleep(1)
    return 1


track_stuck.timeout = 10
