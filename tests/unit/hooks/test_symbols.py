"""Names of functions, and what is wrong with a name."""

from __future__ import annotations

import pytest

from ebpf_overhead.errors import BadUseError, MissingToolError
from ebpf_overhead.hooks import symbols
from ebpf_overhead.workload import _workload

KALLSYMS = """\
0000000000000000 T vfs_read
0000000000000000 t vfs_readv
0000000000000000 t helper.isra.0
0000000000000000 t helper.constprop.0
0000000000000000 t piece.cold
0000000000000000 D vfs_data
0000000000000000 t ext4_read	[ext4]
"""


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    path = tmp_path / "kallsyms"
    path.write_text(KALLSYMS)
    monkeypatch.setattr(symbols, "_KALLSYMS", path)
    monkeypatch.setattr(symbols, "traceable_functions", lambda: None)
    symbols.kernel_functions.cache_clear()
    yield
    symbols.kernel_functions.cache_clear()


def test_functions_of_kernel_and_modules_without_data(kernel):
    assert "ext4_read" in symbols.kernel_functions()
    assert "vfs_data" not in symbols.kernel_functions()
    assert symbols.explain_name("vfs_read") is None


def test_similar_names_are_proposed(kernel):
    error = symbols.explain_name("vfs_reed")
    assert "inlined" in error.what
    assert "vfs_read" in error.remedy


def test_function_the_compiler_changed(kernel):
    error = symbols.explain_name("helper")
    assert "helper.constprop.0, helper.isra.0 instead" in error.what
    assert error.remedy == "a kprobe takes helper.constprop.0"
    assert symbols.explain_name("piece").remedy == "choose one of its callers or callees"


def test_glob(kernel):
    assert symbols.matching_functions("vfs_*", 5) == ["vfs_read", "vfs_readv"]
    with pytest.raises(BadUseError, match="no kernel function matches"):
        symbols.matching_functions("nfs_*", 5)
    assert symbols.matching_functions("helper*", 5) == ["helper.constprop.0", "helper.isra.0"]
    with pytest.raises(BadUseError, match="matches 5 functions, at most 2"):
        symbols.matching_functions("*", 2)
    with pytest.raises(BadUseError, match="100,000 characters matches no function: '"):
        symbols.matching_functions("[" * 100_000, 5)


def user_point(name):
    try:
        return symbols.user_point(name)
    except MissingToolError as error:
        pytest.skip(str(error))


def test_offset_of_a_user_function_is_what_the_linker_says():
    path, symbol, offset = _workload.workload_symbol()
    assert user_point(f"{path}:{symbol}").offset_bytes == offset
    for spelt in ("0x10", "+0x10"):
        point = symbols.user_point(f"{path}:{spelt}")
        assert (point.path, point.offset_bytes, point.pid) == (path, 0x10, None)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/no/such/file:main", "no file /no/such/file"),
        (f"/{'a' * 300}:main", "no file /aaa"),
        ("nosuchlibrary:main", "no library or command"),
        ("/bin/tool:ns::A::f", "ns::A::f is a function as its source calls it; name it as the"),
        ("c:no_such_function", "no function no_such_function"),
    ],
)
def test_wrong_user_names(name, words):
    with pytest.raises(BadUseError, match=words):
        user_point(name)
