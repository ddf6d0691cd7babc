"""`measure` asks for the same cases as the command, here or in a guest; nothing is measured."""

from __future__ import annotations

import pytest

from ebpf_overhead import api
from ebpf_overhead.api import measuring
from ebpf_overhead.measure import preflight
from ebpf_overhead.studies import cases_run


@pytest.fixture
def asked(monkeypatch):
    """The jobs that would be measured, with where."""
    found = []
    monkeypatch.setattr(preflight, "check", lambda cases=None: None)
    monkeypatch.setenv("EBPF_OVERHEAD_LOCK", "")
    monkeypatch.setattr(cases_run, "run", lambda job, *how: found.append(("here", job)) or {})
    monkeypatch.setattr(
        measuring, "there", lambda kernel, job: found.append((kernel, job)) or {"cases": []}
    )
    return found


def test_the_standard_grid_here(asked):
    assert api.measure() == {}
    ((where, job),) = asked
    assert where == "here"
    assert len(job.cases) == 15
    assert job.sampling.cpu is not None
    assert str(job.sampling.precision) == "5%,10ns"


def test_chosen_cases_in_a_guest(asked):
    api.measure(attach=["fentry"], program=["simple"], workload=["read"], kernel="6.12", time_s=2)
    ((where, job),) = asked
    assert where == "6.12"
    assert [case.name for case in job.cases] == ["read/fentry/simple"]
    assert (job.sampling.time_s, str(job.sampling.precision)) == (2, "1%,1ns")


def test_a_name_that_there_is_not(asked):
    with pytest.raises(api.OverheadError, match="no attach type is called 'fentri'"):
        api.measure(attach=["fentri"])
    assert not asked
