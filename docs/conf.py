"""How Sphinx makes a site of these pages: `make docs` runs it, and `make publish`.

README.md is read in place of index.md, and the tables of its sections are the navigation.  A page
that has no line there is in no table of contents.  That is a warning, as a broken link is, and for
`make docs` a warning is an error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

project = "ebpf-overhead"
language = "en"
extensions = ["myst_parser"]
exclude_patterns = ["README.md"]
templates_path = ["_templates"]
# Blocks of text are commands and what they print; what Python says is marked as such.
highlight_language = "none"
smartquotes = False
myst_heading_anchors = 4

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
# They would be fetched, which browsers do not do from disk.
html_show_search_summary = False
html_show_sphinx = False
html_use_index = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/entrance.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}

_LISTED = re.compile(r"^\| .*?\]\(([\w-]+)\.md\)", re.MULTILINE)
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)\)")


def contents(readme: str) -> str:
    """Return the tables of contents: one per section, with the page of each row."""
    tables: list[str] = []
    listed: list[str] = []
    for section in re.split(r"^## ", readme, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        found = [page for page in _LISTED.findall(section) if page not in listed]
        listed += found
        if found:
            pages = "\n".join(found)
            tables.append(f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n")
    return "\n".join(tables)


def without_repository(text: str) -> str:
    """Return a page without its links to folders and pages of the repository that are not here.

    Other files of the repository are kept as links: the site has copies of them.
    """

    def kept(link: re.Match[str]) -> str:
        place = ROOT / "docs" / link[2]
        outside = place.is_dir() or (place.suffix == ".md" and place.exists())
        return link[1] if outside else link[0]

    return _OUTSIDE.sub(kept, text)


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """Change a page's text after it was read."""
    text = source[0]
    if name == "index":
        text = (ROOT / "docs/README.md").read_text()
        text += "\n" + contents(text)
    source[0] = without_repository(text).replace("](README.md", "](index.md")


def make_readable_by_all(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Let the keyboard reach what scrolls, and say how deep the headings of the contents are."""
    for box in ('<div class="table-wrapper', "<pre"):
        context["body"] = context.get("body", "").replace(box, f'{box[:4]} tabindex="0"{box[4:]}')
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def setup(app: Sphinx) -> None:
    """Ask Sphinx for the text of every page, and for what was made of it."""
    app.connect("source-read", read)
    app.connect("html-page-context", make_readable_by_all, priority=900)  # After the theme.
