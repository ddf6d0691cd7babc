"""A command in a guest that Ctrl-C ended."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ebpf_overhead.errors import FailedError
from ebpf_overhead.guest.session import CompletedRun
from ebpf_overhead.measure import in_guest


class Guest:
    """One in which the command was interrupted before its first row."""

    boot_seconds = 1.0
    done = CompletedRun(130, "", "ebpf-overhead: interrupted; nothing is left attached\n")

    def __init__(self, *arguments: object, **settings: object) -> None:
        self.description: dict[str, str] = {}

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *error: object) -> None: ...

    def run(self, argv, **settings) -> CompletedRun:
        assert settings["last_words_s"] > 0
        return self.done


@pytest.fixture(autouse=True)
def _guest(monkeypatch):
    monkeypatch.setattr(in_guest, "Guest", Guest)
    monkeypatch.setattr(
        in_guest.catalogue, "find", lambda _: SimpleNamespace(release="6.12", arch="x86_64")
    )
    monkeypatch.setattr(in_guest, "compile_ahead", lambda *_, **__: None)


def test_without_a_finished_row_it_is_an_interruption_here_too():
    with pytest.raises(KeyboardInterrupt):
        in_guest.measure_in_guest("6.12", [], lambda line: None)


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (CompletedRun(-15, "", ""), "the process ended by SIGTERM"),
        (CompletedRun(143, "", "\n"), "the process ended by SIGTERM"),
        (CompletedRun(7, "", ""), "exit status 7"),
        (CompletedRun(4, "", "first\nno space left\n"), "no space left"),
    ],
)
def test_process_that_ends_without_a_record_says_how_it_ended(monkeypatch, done, words):
    monkeypatch.setattr(Guest, "done", done)
    with pytest.raises(FailedError) as caught:
        in_guest.measure_in_guest("6.12", [], lambda line: None)
    assert str(caught.value) == f"measuring failed in the guest 6.12: {words}"
