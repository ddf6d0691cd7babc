"""The documentation as pages of the site."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ebpf_overhead.closing import scratch_directory
from ebpf_overhead.site import modules
from ebpf_overhead.trust import refuse_foreign

# What docs/conf.py needs.
_NEEDED = ("sphinx", "myst_parser", "furo")
_FOLDER = "docs"


def build(root: Path, site: Path, entrance: str, warn: Callable[[str], None]) -> str | None:
    """Make pages of a project's documentation, in a folder of the site.

    Parameters
    ----------
    root : Path
        The folder of the project.
    site : Path
        The folder of the entrance.
    entrance : str
        Name of the entrance's file, to which the pages link.
    warn : callable
        Told what is not installed.

    Returns
    -------
    str or None
        The first page, seen from the entrance.  None where there is no documentation, as beside
        an installed package, or where what makes the pages is not installed.

    Raises
    ------
    BadUseError
        Another user could have written its configuration, which is code to run.
    FailedError
        Sphinx made no pages.
    """
    sources = root / "docs"
    configuration = sources / "conf.py"
    if not configuration.exists():
        return None
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        warn(f"no documentation: no {', no '.join(missing)}; pip install 'ebpf-overhead[docs]'")
        return None
    refuse_foreign(configuration)
    words = ("--builder", "html", "--quiet", "--html-define", f"entrance=../{entrance}")
    with scratch_directory() as read:
        kept = ("--doctree-dir", str(read))  # Outside the site.
        modules.run("sphinx", *words, *kept, str(sources), str(site / _FOLDER))
    return f"{_FOLDER}/index.html"
