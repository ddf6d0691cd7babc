"""Attaching in a guest: what the running kernel may not be able to do, on the oldest one here."""

from __future__ import annotations

import sys

from ebpf_overhead.cases import STANDARD_ATTACH_TYPES

ATTACH_THRICE = """
import sys
from ebpf_overhead import attach
from ebpf_overhead.cases import select

for case in select(sys.argv[1:], ["simple"]):
    with attach.load(case) as probe:
        for _ in range(3):
            probe.attach()
            probe.detach()
    print(case.attach.name)
"""


def test_every_standard_attach_type_attaches_again_and_again(guest):
    done = guest.run([sys.executable, "-c", ATTACH_THRICE, *STANDARD_ATTACH_TYPES], timeout=120)
    assert done.exit_status == 0, done.stderr
    assert done.stdout.split() == list(STANDARD_ATTACH_TYPES)
