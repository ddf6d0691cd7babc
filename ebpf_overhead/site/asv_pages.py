"""asv's own pages of a configuration: published, and readable from disk with no server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ebpf_overhead.asv.stored import configuration, revisions_are_kernels
from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import FailedError
from ebpf_overhead.reading import read_json, read_text
from ebpf_overhead.site import modules
from ebpf_overhead.trust import refuse_foreign

# What asv-tachyon's page loads.  Browsers load no module and fetch no file from disk.
_MODULE = re.compile(r'<script type="module" crossorigin src="([^"]+)"></script>')
_STYLES = '<link rel="stylesheet" crossorigin '
_FILES = "stored-files.js"
# The same page answers from `window.STORED_FILES` what it would fetch, where it lies on disk.
_ANSWERING = """
if (location.protocol === "file:") {
  window.fetch = async (address) => {
    const text = window.STORED_FILES[String(address).replace(/^\\.\\//, "")];
    return new Response(text, { status: text === undefined ? 404 : 200 });
  };
}
"""


@dataclass(frozen=True)
class PublishedBenchmark:
    """A benchmark that asv published.

    Attributes
    ----------
    name, unit : str
        As asv has them.
    param_names : list of str
        Names of its parameters.
    params : list of list of str
        The values of each, as ``repr``.
    """

    name: str
    unit: str = ""
    param_names: list[str] = field(default_factory=list)
    params: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Index:
    benchmarks: dict[str, PublishedBenchmark]


@dataclass(frozen=True)
class AsvPages:
    """What asv published of a configuration.

    Attributes
    ----------
    conf_path : Path
        The configuration.
    folder : Path
        Where the pages are.
    benchmarks : dict
        Those that have a page, by name.
    """

    conf_path: Path
    folder: Path
    benchmarks: Mapping[str, PublishedBenchmark]

    @property
    def revisions(self) -> str:
        """What its revisions are."""
        return "kernel" if revisions_are_kernels(self.conf_path) else "machine"


def publish(conf_path: Path) -> AsvPages:
    """Publish the stored results of a configuration by asv, with asv-tachyon's pages.

    Parameters
    ----------
    conf_path : Path
        asv's configuration.

    Raises
    ------
    BadUseError
        Another user could have written the configuration, which names code to run.
    MissingToolError
        asv or asv-tachyon is not installed.
    FailedError
        asv did not publish.
    """
    refuse_foreign(conf_path)
    folder = conf_path.absolute().parent / configuration(conf_path).html_dir
    folder.parent.mkdir(parents=True, exist_ok=True)
    modules.run("asv", "publish", "--config", str(conf_path))
    modules.run("asv_tachyon", "install", str(folder))
    _make_readable_from_disk(folder)
    index = read_json(folder / "index.json", _Index, remedy="publish again")
    return AsvPages(conf_path, folder, index.benchmarks)


def _make_readable_from_disk(folder: Path) -> None:
    """Give asv-tachyon's page, as a script, all that it would fetch."""
    files = {
        path.relative_to(folder).as_posix(): read_text(path)
        for path in sorted(folder.rglob("*.json"))
    }
    write_atomically(folder / _FILES, f"window.STORED_FILES = {json.dumps(files)};\n{_ANSWERING}")
    page = folder / "index.html"
    scripts = rf'<script src="{_FILES}"></script><script defer src="\1"></script>'
    text, found = _MODULE.subn(scripts, read_text(page))
    if not found:
        raise FailedError(
            f"{page} loads no module as asv-tachyon's page does", "asv-tachyon==0.5.8 does"
        )
    write_atomically(page, text.replace(_STYLES, '<link rel="stylesheet" '))
