"""The console's log: whole, and bounded."""

from __future__ import annotations

from ebpf_overhead.guest import console
from ebpf_overhead.guest.console import Console, tail


def test_log_has_what_was_printed(tmp_path):
    log = Console(tmp_path / "console.log")
    with log.theirs as guest:
        guest.sendall(b"[    0.1] one\r\n[    0.2] Kernel panic - not syncing: two\r\n")
    log.settle(10)
    found = tail(tmp_path / "console.log", tmp_path / "absent")
    assert found.reason == "Kernel panic - not syncing: two"
    assert found.text.startswith("[    0.1] one\n")


def test_of_endless_printing_the_newest_is_kept(tmp_path):
    log = Console(tmp_path / "console.log")
    with log.theirs as guest:
        for number in range(200):
            guest.sendall(b"%6d" % number + b"x" * 65529 + b"\n")
    log.settle(60)
    content = (tmp_path / "console.log").read_bytes()
    assert console._KEPT_BYTES <= len(content) <= console._MOST_BYTES
    assert b"\n   199x" in content
    assert b"     0x" not in content
