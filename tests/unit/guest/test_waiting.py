"""How long a guest that says nothing is waited for."""

from __future__ import annotations

import time

import pytest

from ebpf_overhead.guest import waiting


def test_a_killed_command_is_waited_for_as_long_as_its_guest_may_need(monkeypatch):
    patience = waiting.Awaited("end a killed command", 1.0)
    now_s = time.monotonic()
    for spent_s in (1.0, 1.0 + waiting.BUSY_GRACE_S, None):
        assert now_s < patience.again(spent_s) <= time.monotonic() + 1.0
    why = "did not end a killed command within 15 s of processor time"
    with pytest.raises(waiting.ConnectionLostError, match=why):
        patience.again(1.1 + waiting.BUSY_GRACE_S)
    monkeypatch.setattr(waiting, "GRACE_S", 0.0)
    with pytest.raises(waiting.ConnectionLostError, match="within 0 s"):
        waiting.Awaited("end", None).again(None)


def test_silence_is_broken_by_any_word(monkeypatch):
    silence = waiting.Silence()
    assert silence.before(None) > time.monotonic() + waiting.SILENT_S - 10
    assert silence.before(1.0) == 1.0
    assert not silence.asks(None)
    monkeypatch.setattr(waiting, "SILENT_S", 0.0)
    silence.end()
    assert silence.asks(1.0)
    assert not silence.asks(1.0), "it was asked, and has time to answer"
    silence.end()
    assert silence.asks(1.0), "it answered"
