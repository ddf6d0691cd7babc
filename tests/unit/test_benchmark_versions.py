"""Every benchmark's version is pinned, and is that of the committed results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "results" / "kernels"

discovery = pytest.importorskip(
    "asv_runner.discovery", reason="asv is not installed: pip install 'ebpf-overhead[bench]'"
)


@pytest.fixture(scope="module")
def benchmarks() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return {each.name: each for each in discovery.disc_benchmarks(str(ROOT / "benchmarks"))}


def test_no_version_is_a_hash_of_code(benchmarks: dict[str, Any]) -> None:
    def explicit(benchmark: Any) -> str | None:
        sources = benchmark._attr_sources
        return next((s.version for s in sources if getattr(s, "version", None)), None)

    assert benchmarks
    assert [name for name, each in benchmarks.items() if explicit(each) is None] == []


def test_versions_are_those_of_the_committed_list(benchmarks: dict[str, Any]) -> None:
    listed = json.loads((COMMITTED / "benchmarks.json").read_text())
    assert listed.pop("version") == 2  # of the file's form
    # A benchmark that nobody ran on the kernels yet is not listed.
    assert {name: each["version"] for name, each in listed.items()} == {
        name: each.version for name, each in benchmarks.items() if name in listed
    }


def test_versions_are_those_of_the_committed_results(benchmarks: dict[str, Any]) -> None:
    files = sorted(COMMITTED.glob("*/*-kernel-*.json"))
    assert files
    for file in files:
        record = json.loads(file.read_text())
        version = record["result_columns"].index("version")
        for name, result in record["results"].items():
            assert result[version] == benchmarks[name].version, f"{file.name}: {name}"
