"""Building the site from what is stored: nothing is measured, fetched or asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

from ebpf_overhead.asv import history, stored
from ebpf_overhead.asv.history import NamedKernel, Step
from ebpf_overhead.asv.workspace import Workspace
from ebpf_overhead.closing import write_atomically
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.site import asv_pages, documentation, entrance, places
from ebpf_overhead.site.entrance import Published

_PAGE = ("index.html", "entrance.css", "parts.js", "lines.js", "entrance.js")
# What differs by less from the kernel before is no step, as in docs/kernels.md.
_LEAST_STEP = 0.1


def build(kernels: Path, project: Path, warn: Callable[[str], None]) -> Path:
    """Publish what is stored of kernels and of the project's commits, with the entrance.

    Parameters
    ----------
    kernels, project : Path
        asv's configurations; those that do not exist, or have no results, are left out.
    warn : callable
        Told what of this machine cannot be read.

    Returns
    -------
    Path
        The entrance.

    Raises
    ------
    BadUseError
        Nothing is stored, the two configurations publish to different places, or another user
        could have written what they or the documentation run.
    MissingToolError
        asv or asv-tachyon is not installed.
    FailedError
        asv or Sphinx failed.
    """
    with ThreadPoolExecutor() as pool:
        library = pool.submit(_charting_library)
        known = _known_kernels(kernels, warn)
        parts = [*_published(kernels, known, project)]
        chart = library.result()
    if not parts:
        raise BadUseError(f"no results beside {kernels} and {project}", "make bench, make kernels")
    site, *others = {part.pages.folder.parent for part in parts}
    if others:
        raise BadUseError(
            f"{kernels} and {project} publish to {site} and {others[0]}",
            "let html_dir of both be in one folder",
        )
    root = kernels.absolute().parent
    documented = documentation.build(root, site, _PAGE[0], warn)
    with stored.naming_files(kernels):
        found = entrance.data(parts, _steps(kernels, known, parts), root, site)
    if chart is None:
        warn("the lines are not drawn: no vl-convert; pip install 'ebpf-overhead[bench]'")
    else:
        write_atomically(site / "vega.js", chart)
    found |= {"drawn": chart is not None, "leastStep": _LEAST_STEP, "documentation": documented}
    write_atomically(site / "data.js", f"window.ENTRANCE = {json.dumps(found)};\n")
    for name in _PAGE:
        page = resources.files("ebpf_overhead.site").joinpath("page", name)
        write_atomically(site / name, page.read_text(encoding="utf-8"))
    return site / _PAGE[0]


def _known_kernels(kernels: Path, warn: Callable[[str], None]) -> list[NamedKernel]:
    """Return the kernels of the history beside a configuration; none where there is none."""
    if not kernels.exists():
        return []
    workspace = Workspace(kernels.absolute().parent)
    workspace.prepare(warn=warn)
    return history.known_kernels(workspace.history)


def _published(kernels: Path, known: Sequence[NamedKernel], project: Path) -> Iterator[Published]:
    if known:
        with stored.naming_files(kernels):
            if found := [*places.of_kernels(kernels, known)]:
                yield Published(asv_pages.publish(kernels), found)
    if project.exists():
        with stored.naming_files(project):
            if found := [*places.of_machines(project)]:
                yield Published(asv_pages.publish(project), found)


def _steps(kernels: Path, known: Sequence[NamedKernel], parts: Sequence[Published]) -> list[Step]:
    counted = {
        place.architecture
        for part in parts
        for place in part.places
        if place.counted and place.conf_path == kernels
    }
    return [
        step
        for architecture in sorted(counted)
        for step in history.steps(
            history.costs(kernels, history.of_architecture(known, architecture)), _LEAST_STEP
        )
    ]


def _charting_library() -> str | None:
    """Return Vega-Lite and all that it needs as one script, which sets ``vegaEmbed``.

    None where there is no package of it: the site has its tables all the same.
    """
    try:
        import vl_convert
    except ImportError:
        return None
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(() => {{{bundle}}})();\n"  # Its names are its own.
