"""``scripts/page.py``: only what stands between the marks of a page is written."""

from __future__ import annotations

import sys

import pytest
from processes import ROOT

PAGE = "before\n<!-- rows:begin -->\nold\n<!-- rows:end -->\nafter\n"


@pytest.fixture
def write_part(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from scripts.page import write_part

    yield write_part
    sys.modules.pop("scripts.page", None)


def test_the_part_is_replaced(write_part, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    for _ in range(2):
        write_part(page, "rows", "new\n")
        assert page.read_text() == PAGE.replace("old", "new")


@pytest.mark.parametrize("which", ["begin", "end"])
def test_a_page_without_a_mark_stays_as_it_is(write_part, tmp_path, which):
    page = tmp_path / "page.md"
    written = PAGE.replace(f"<!-- rows:{which} -->\n", "")
    page.write_text(written)
    with pytest.raises(SystemExit, match=f"lacks the line <!-- rows:{which} -->"):
        write_part(page, "rows", "new\n")
    assert page.read_text() == written
