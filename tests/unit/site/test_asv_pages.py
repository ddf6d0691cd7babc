"""asv's pages as they are made readable from disk, and what is said where they cannot be made."""

from __future__ import annotations

import json

import pytest

from ebpf_overhead.errors import BadUseError, FailedError
from ebpf_overhead.site import asv_pages, building

pytest.importorskip("asv", reason="asv is not installed: pip install 'ebpf-overhead[bench]'")

PAGE = """<script type="module" crossorigin src="./assets/a.js"></script>
<link rel="stylesheet" crossorigin href="./assets/a.css">"""


def test_a_page_gets_as_a_script_what_it_would_fetch(tmp_path):
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs/a.json").write_text('[[1, "</script>"]]')
    asv_pages._make_readable_from_disk(tmp_path)
    assert (tmp_path / "index.html").read_text() == (
        '<script src="stored-files.js"></script><script defer src="./assets/a.js"></script>\n'
        '<link rel="stylesheet" href="./assets/a.css">'
    )
    first = (tmp_path / "stored-files.js").read_text().splitlines()[0]
    files = json.loads(first.removeprefix("window.STORED_FILES = ").removesuffix(";"))
    assert files == {"graphs/a.json": '[[1, "</script>"]]'}


def test_another_page_than_asv_tachyons_is_an_error(tmp_path):
    (tmp_path / "index.html").write_text("<script src='other.js'></script>")
    with pytest.raises(FailedError, match="asv-tachyon"):
        asv_pages._make_readable_from_disk(tmp_path)


def test_what_asv_says_last_is_said_where_it_fails(tmp_path):
    conf = tmp_path / "asv.conf.json"
    conf.write_text('{"version": 1, "project": "p", "repo": "nowhere", "html_dir": "html"}')
    with pytest.raises(FailedError, match="asv publish ended with status 1: "):
        asv_pages.publish(conf)


def test_nothing_stored_is_nothing_to_publish(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "_charting_library", lambda: None)
    with pytest.raises(BadUseError, match="no results beside"):
        building.build(tmp_path / "asv.kernels.json", tmp_path / "asv.conf.json", print)
