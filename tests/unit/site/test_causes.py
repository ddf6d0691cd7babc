"""docs/kernels.md has a cause for every step, and is read as it is written."""

from __future__ import annotations

import pytest
from processes import ROOT

from ebpf_overhead.site.causes import causes

PAGE = """
**6.1 to 6.12, `raw_tracepoint` and `tp_btf`, at entry (+20) and at exit (+21).** A check
against recursion in `bpf_trace_run2`.

**6.1 to 6.12, complex.** A `memset`.

**7.2 and its compiler.** No step.
"""


def explaining(attach, before="6.1.192", after="6.12.118"):
    return [each.text for each in causes(PAGE) if each.explains(before, after, attach)]


def test_a_paragraph_is_about_the_attach_types_that_its_beginning_names():
    about_all = "Complex. A `memset`."
    assert explaining("kprobe") == [about_all]
    (first, second) = explaining("tp_btf")
    assert first.endswith("A check against recursion in `bpf_trace_run2`.")
    assert second == about_all


@pytest.mark.parametrize("attach", ["raw_tracepoint_exit", "tp_btf_exit"])
def test_at_exit_means_the_attach_types_at_exit(attach):
    assert len(explaining(attach)) == 2


def test_other_kernels_are_not_explained():
    assert explaining("tp_btf", before="6.12.118", after="6.16.12") == []


def test_the_page_of_this_project_is_read():
    found = list(causes((ROOT / "docs/kernels.md").read_text()))
    assert len(found) >= 10
    assert all(each.text.endswith(".") for each in found)
