"""The attach type of an estimate: the given one, or the first possible one."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError, UnsupportedError
from ebpf_overhead.tools.estimate import costs, run
from ebpf_overhead.tools.estimate.places import Place

READ = Place("function", "vfs_read")


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """A kernel that has every function but ``vfs_reed``, and only ``vfs_read`` in its BTF."""
    monkeypatch.setattr(costs, "in_btf", lambda name: name == "vfs_read")
    wrong = BadUseError("no function vfs_reed in this kernel")
    monkeypatch.setattr(run, "explain_name", lambda name: wrong if name == "vfs_reed" else None)


def test_first_possible_attach_type_is_chosen():
    assert run.attach_type_for(READ, None) == "fentry"
    assert run.attach_type_for(Place("syscall", "read"), None) == "tracepoint"


def test_attach_type_of_the_option_or_of_the_name():
    assert run.attach_type_for(READ, "kprobe") == "kprobe"
    assert run.attach_type_for(Place("function", "vfs_read", "kretprobe"), None) == "kretprobe"


def test_function_without_btf_gets_a_kprobe():
    place = Place("function", "bare")
    assert run.attach_type_for(place, None) == "kprobe"
    assert not {"fentry", "fexit"} & set(costs.attach_types_for(place))


@pytest.mark.parametrize("attach", ["fentry", "fexit"])
def test_attach_types_that_need_btf_are_refused_without_it(attach):
    words = f"{attach} cannot hook bare: the kernel's own BTF does not have it; choose of kprobe"
    with pytest.raises(UnsupportedError, match=words):
        run.attach_type_for(Place("function", "bare"), attach)


def test_missing_function_is_not_blamed_on_btf():
    with pytest.raises(BadUseError, match="no function vfs_reed"):
        run.attach_type_for(Place("function", "vfs_reed"), "fentry")


def test_attach_type_for_another_kind_of_place():
    with pytest.raises(BadUseError, match="uprobe cannot be estimated for vfs_read; choose of"):
        run.attach_type_for(READ, "uprobe")
