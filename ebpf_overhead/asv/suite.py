"""The suite over kernels where there is no checkout: a copy of the one that the package brings.

asv needs a folder of its own, which it writes to.  The copy is in the user's data directory.
"""

from __future__ import annotations

from pathlib import Path

from ebpf_overhead.closing import write_atomically
from ebpf_overhead.kernels.layout import default_layout
from ebpf_overhead.trust import refuse_foreign

CONFIGURATION = Path("asv.kernels.json")
# `setup.py` puts it there, with a digest of it; a checkout has none.
_SHIPPED = Path(__file__).parent.parent / "suite"
_STAMP = ".shipped"


def configuration(named: Path = CONFIGURATION) -> Path:
    """Return asv's configuration for kernels: the one that is named, or that of the copy.

    Parameters
    ----------
    named : Path
        As it was named, relative to the current directory.

    Returns
    -------
    Path
        Of a file that may not exist, where it was named so.

    Raises
    ------
    BadUseError
        The user's data directory belongs to somebody else.
    OSError
        It cannot be written to.
    """
    if named != CONFIGURATION or named.exists() or not (_SHIPPED / _STAMP).exists():
        return named
    copy = default_layout().suite
    copy.mkdir(parents=True, exist_ok=True)
    refuse_foreign(copy)
    _update(copy)
    return copy / CONFIGURATION


def _update(copy: Path) -> None:
    """Copy what is shipped, unless that was copied already; results of runs lie elsewhere."""
    shipped, marker = (_SHIPPED / _STAMP).read_text(encoding="utf-8"), copy / _STAMP
    if marker.exists() and marker.read_text(encoding="utf-8") == shipped:
        return
    for stale in copy.glob("benchmarks/*.py"):
        stale.unlink()
    for path in _SHIPPED.rglob("*"):
        place = copy / path.relative_to(_SHIPPED)
        if path.is_file() and path.suffix != ".pyc" and path.name != _STAMP:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, path.read_text(encoding="utf-8"))
    write_atomically(marker, shipped)
