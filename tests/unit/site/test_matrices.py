"""Tables of the documentation's pages."""

from __future__ import annotations

import pytest
from processes import ROOT

from ebpf_overhead.site.matrices import PageTable, page_tables

PAGE = """
**guest, 6.12**, empty on getpid

| Case | getpid |
| --- | --: |
| tp_btf \\* | +136 |
| fentry | +0 |

Text, and a table without a title:

| a | b |
| --- | --- |
| 1 | 2 |
"""


def test_a_table_is_found_by_its_title():
    assert list(page_tables(PAGE)) == [
        PageTable(
            "guest, 6.12, empty on getpid",
            ["Case", "getpid"],
            [["tp_btf *", "+136"], ["fentry", "+0"]],
        )
    ]


@pytest.mark.parametrize(("page", "rows"), [("bystanders", 58), ("scaling", 14)])
def test_the_tables_of_this_project_are_found(page, rows):
    tables = list(page_tables((ROOT / f"docs/{page}.md").read_text()))
    assert sum(len(each.rows) for each in tables) >= rows
    assert all(len(row) == len(each.headings) for each in tables for row in each.rows)
