"""The pages: the README is short and complete, every page is found, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# README.md takes the place of index.md.
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "index.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_readme_has_all_ten_rows_of_the_reference():
    text = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- reference:begin -->(.*)<!-- reference:end -->", text, re.DOTALL)
    assert block
    assert len(re.findall(r"^\| [a-z].*\| [\d.]+ \|", block[1], re.MULTILINE)) == 10
    assert "n/a" not in block[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_is_listed(page):
    assert page.name == "README.md" or f"]({page.name})" in (ROOT / "docs/README.md").read_text(), (
        "give it a line in docs/README.md"
    )


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", page.read_text())):
        if "://" not in link:
            file, _, anchor = link.partition("#")
            target = (page.parent / file) if file else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_below_each_figure_is_what_made_it_and_when(page):
    for figure, below in re.findall(r"^!\[.*\]\((.*)\)\n+(.*)", page.read_text(), re.MULTILINE):
        said = re.match(r"\*By .*20\d\d-\d\d-\d\d.*\*$", below)
        assert said or below.startswith("!["), (figure, below)
