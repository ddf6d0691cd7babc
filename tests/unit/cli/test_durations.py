"""Durations and shares as the command line takes them."""

from __future__ import annotations

import click
import pytest

from ebpf_overhead.cli.durations import DurationType, ShareType


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("10", 10), ("500ms", 0.5), ("2m", 120), ("1h", 3600), (".5s", 0.5)],
)
def test_durations(text, seconds):
    assert DurationType().convert(text, None, None) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0s", "ten", "-1s", "1d"])
def test_wrong_durations(text):
    with pytest.raises(click.BadParameter):
        DurationType().convert(text, None, None)


def test_shares():
    assert ShareType().convert("1%", None, None) == pytest.approx(0.01)
    for text in ("1", "0%", "x%"):
        with pytest.raises(click.BadParameter):
            ShareType().convert(text, None, None)
