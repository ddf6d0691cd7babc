"""What ends by itself."""

from __future__ import annotations

import time
from pathlib import Path

from processes import start_python

from ebpf_overhead.closing import scratch_directory

HOLDING = """
import sys
from pathlib import Path
from ebpf_overhead.closing import scratch_directory
with scratch_directory(Path(sys.argv[1])) as place:
    (place / "file").touch()
    print(place, flush=True)
    sys.stdin.read()
"""


def test_scratch_directory_is_the_users_own_and_goes_with_its_block(tmp_path):
    with scratch_directory(tmp_path) as place:
        assert place.parent == tmp_path
        assert place.stat().st_mode & 0o777 == 0o700
        (place / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_scratch_directory_of_a_killed_process_goes(tmp_path):
    with start_python(HOLDING, str(tmp_path)) as process:
        place = Path(process.stdout.readline().strip())
        assert (place / "file").exists()
        process.kill()
    deadline = time.monotonic() + 60
    while place.exists():
        assert time.monotonic() < deadline, "it stays"
        time.sleep(0.01)
