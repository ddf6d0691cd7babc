"""Kernels whose description is committed: their commits are made without them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from kernels_fakes import make_record
from processes import ROOT

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.kernels import committed
from ebpf_overhead.kernels.history import History

RECORDS = ROOT / "results/kernel-records"
CONFIG = "CONFIG_A=y\n"
SUM = hashlib.sha256(CONFIG.encode()).hexdigest()
OLD = replace(make_record("6.1.0-56-amd64", "6.1.192-2"), sha256={"config": SUM})
NEW = make_record("7.3.4+deb13-amd64", "7.3.4-1~bpo13+1")


def test_what_is_written_is_read(tmp_path):
    for kernel in ((OLD, CONFIG), (NEW, None)):
        committed.write(tmp_path, kernel)
        committed.write(tmp_path, kernel)
    assert list(committed.read(tmp_path)) == [(OLD, CONFIG), (NEW, None)]
    assert list(committed.read(tmp_path / "nothing")) == []


@pytest.mark.parametrize("damage", ["config", "no config", "spaces", "no JSON"])
def test_what_would_make_another_commit_is_refused(tmp_path, damage):
    committed.write(tmp_path, (OLD, CONFIG))
    place = tmp_path / OLD.release
    record = place / "kernel.json"
    if damage == "config":
        (place / "config").write_text(CONFIG.replace("\n", "\r\n"))
    elif damage == "no config":
        (place / "config").unlink()
    else:
        record.write_text(record.read_text() + " " if damage == "spaces" else "[")
    with pytest.raises(FailedError, match=OLD.release):
        list(committed.read(tmp_path))


def test_another_build_of_a_release_does_not_take_its_place(tmp_path):
    committed.write(tmp_path, (OLD, CONFIG))
    with pytest.raises(BadUseError, match="another build"):
        committed.write(tmp_path, (replace(OLD, build="#2 SMP"), CONFIG))
    assert list(committed.read(tmp_path)) == [(OLD, CONFIG)]


def test_every_committed_result_has_its_kernels_commit(tmp_path):
    """The hashes of the results are made again from what is committed, whatever this code is."""
    history = History(tmp_path / "history")
    history.sync(committed.read(RECORDS))
    files = sorted((ROOT / "results/kernels").glob("*/*-kernel-*.json"))
    results = {json.loads(file.read_text())["commit_hash"] for file in files}
    assert set(history.records()) == results
    assert len(results) >= 11
