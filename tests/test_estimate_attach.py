"""Which attach type an estimate is for: the one asked for, else the first that can serve."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.estimate import costs, run
from ebpf_overhead.estimate.places import Place

READ = Place("function", "vfs_read")


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """A kernel that has every function but ``vfs_reed``, and only ``vfs_read`` in its BTF."""
    monkeypatch.setattr(costs, "in_btf", lambda name: name == "vfs_read")
    wrong = BadUseError("no function vfs_reed in this kernel")
    monkeypatch.setattr(run, "explain_name", lambda name: wrong if name == "vfs_reed" else None)


def test_first_that_serves():
    assert run._attach_type(READ, None) == "fentry"
    assert run._attach_type(Place("syscall", "read"), None) == "tracepoint"


def test_asked_for_or_named():
    assert run._attach_type(READ, "kprobe") == "kprobe"
    assert run._attach_type(Place("function", "vfs_read", "kretprobe"), None) == "kretprobe"


def test_function_that_is_in_no_btf_gets_a_kprobe():
    place = Place("function", "bare")
    assert run._attach_type(place, None) == "kprobe"
    assert not {"fentry", "fexit"} & set(costs.attach_types_for(place))


@pytest.mark.parametrize("attach", ["fentry", "fexit"])
def test_function_that_is_in_no_btf_and_what_would_need_it(attach):
    words = f"{attach} cannot hook bare: the kernel's own BTF does not have it; choose of kprobe"
    with pytest.raises(UnsupportedError, match=words):
        run._attach_type(Place("function", "bare"), attach)


def test_function_that_does_not_exist_is_not_blamed_on_btf():
    with pytest.raises(BadUseError, match="no function vfs_reed"):
        run._attach_type(Place("function", "vfs_reed"), "fentry")


def test_attach_type_for_something_else():
    with pytest.raises(BadUseError, match="uprobe cannot be estimated for vfs_read; choose of"):
        run._attach_type(READ, "uprobe")
