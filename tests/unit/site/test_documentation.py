"""The pages of the documentation: a broken link and a page that is not listed are errors."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

from ebpf_overhead.site import documentation

pytest.importorskip("furo", reason="furo is not installed: pip install 'ebpf-overhead[docs]'")

LISTED = "# All\n\n## Pages\n\n| page | |\n| --- | --- |\n| [One](one.md) | a page |\n"
ONE = """# One

See [where](#there), [all](README.md), and [a program](../probe.c) of [probes](../probes).

## There
"""


@pytest.fixture
def project(tmp_path):
    """A project whose documentation has two pages."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("conf.py", "_static", "_templates"):
        copy = shutil.copytree if (ROOT / "docs" / name).is_dir() else shutil.copy
        copy(ROOT / "docs" / name, docs / name)
    (docs / "README.md").write_text(LISTED)
    (docs / "index.md").touch()
    (docs / "one.md").write_text(ONE)
    (tmp_path / "probe.c").touch()
    (tmp_path / "probes").mkdir()
    return tmp_path


def make_docs(project, to=Path("build")):
    """Run what `make docs` runs to make pages, in a project."""
    words = ("make", "--dry-run", "--assume-old=.setup/bench", "docs")
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = re.findall(r"^.*-m sphinx(?:.*\\\n)*.*$", printed, re.MULTILINE)
    words = shlex.split(line.replace("\\\n", ""))[1:]
    command = [sys.executable, *(word.replace("build/", f"{to}/") for word in words)]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_the_documentation_has_no_fault(tmp_path):
    done = make_docs(ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "docs/index.html").exists()


def test_pages_without_a_fault_are_made(project):
    done = make_docs(project)
    assert done.returncode == 0, done.stderr
    page = (project / "build/docs/one.html").read_text()
    assert re.search(r'href="_downloads/\w+/probe\.c"', page)
    assert "of probes." in re.sub(r"<[^>]+>", "", page)


def test_a_broken_link_and_a_page_that_is_not_listed_are_errors(project):
    faults = {
        "[page](three.md)": "three.md",
        "[part](#part)": "'part'",
        "[file](../no.c)": "../no.c",
        "[page](../NO.md)": "../NO.md",
        "![figure](no.svg)": "no.svg",
    }
    (project / "docs/one.md").write_text("# One\n\n" + "\n\n".join(faults))
    (project / "docs/two.md").write_text("# Two\n")
    done = make_docs(project)
    assert done.returncode == 1
    for said in (*faults.values(), "two.md: WARNING: document isn't included in any toctree"):
        assert said in done.stderr
    assert done.stderr.count("WARNING") == len(faults) + 1


def test_where_there_is_no_documentation_none_is_published(tmp_path):
    assert documentation.build(tmp_path, tmp_path / "html", "index.html", print) is None


def test_what_is_not_installed_is_said(project, monkeypatch):
    monkeypatch.setattr(documentation, "find_spec", lambda name: None if name == "furo" else name)
    said = []
    assert documentation.build(project, project / "html", "index.html", said.append) is None
    assert said == ["no documentation: no furo; pip install 'ebpf-overhead[docs]'"]


def test_published_pages_lead_back_to_the_entrance(project):
    site = project / "html"
    assert documentation.build(project, site, "index.html", print) == "docs/index.html"
    assert 'href="../index.html"' in (site / "docs/one.html").read_text()
    assert Path(site / "docs/_static/docs.css").exists()
