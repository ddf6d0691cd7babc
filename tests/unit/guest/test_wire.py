"""Messages between host and agent."""

from __future__ import annotations

from ebpf_overhead.guest import wire


def test_line_without_end_is_not_collected():
    lines = wire.Lines()
    for _ in range(200):
        assert lines.feed(b"x" * (1 << 16)) == []
        assert len(lines._rest) <= wire._LONGEST_BYTES
    assert lines.feed(b'\n{"event":"pong"}\n') == [{"event": "pong"}]
