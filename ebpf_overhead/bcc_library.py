"""Finding BCC's Python module from any virtual environment, and keeping it quiet.

BCC comes with the distribution, not from the package index, so a virtual environment
does not see it.  It is loaded from the distribution's directory by itself: nothing
else of that directory becomes importable.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from ebpf_overhead.errors import MissingToolError

HEADERS = Path(__file__).parent / "headers"

_INSTALL_HINT = (
    "install it: apt-get install python3-bpfcc (Debian, Ubuntu), dnf install python3-bcc"
    " (Fedora, RHEL), pacman -S python-bcc (Arch)"
)


def _search_path() -> list[str]:
    """Return the directories in which distributions put Python modules."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    fixed = ["/usr/lib/python3/dist-packages"]
    for lib in ("lib", "lib64"):
        fixed.append(f"/usr/{lib}/{version}/site-packages")
        # BCC is pure Python: that of another interpreter version does as well.
        fixed += sorted(map(str, Path(f"/usr/{lib}").glob("python3.*/site-packages")), reverse=True)
    return fixed


@lru_cache(maxsize=1)
def import_bcc() -> ModuleType:
    """Return BCC's module ``bcc``.

    Returns
    -------
    module
        The distribution's ``bcc``, also to be found in ``sys.modules``.

    Raises
    ------
    MissingToolError
        BCC is not installed, or its library does not load.
    """
    # Loaded anew, it would lack the submodules that stayed.
    loaded = sys.modules.get("bcc")
    if loaded is not None and hasattr(loaded, "libbcc"):
        return loaded
    spec = PathFinder.find_spec("bcc", [*sys.path, *_search_path()])
    if spec is None or spec.loader is None or spec.origin is None:
        raise MissingToolError("BCC (Python module bcc) not found", _INSTALL_HINT)
    if not (Path(spec.origin).parent / "libbcc.py").exists():
        # The package index has an unrelated project of the same name.
        raise MissingToolError(f"{spec.origin} is not the BPF compiler collection", _INSTALL_HINT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bcc"] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, OSError) as error:
        del sys.modules["bcc"]
        raise MissingToolError(f"BCC does not load: {error}", _INSTALL_HINT) from error
    return module


def bcc_version() -> str | None:
    """Return BCC's version, or None where it is not installed."""
    try:
        import_bcc()
    except MissingToolError:
        return None
    version = sys.modules.get("bcc.version")
    return getattr(version, "__version__", None)


@contextmanager
def own_headers() -> Iterator[None]:
    """Have BCC compile with the project's header tree, unless the user named another."""
    if "BCC_KERNEL_SOURCE" in os.environ:
        yield
        return
    os.environ["BCC_KERNEL_SOURCE"] = str(HEADERS)
    try:
        yield
    finally:
        del os.environ["BCC_KERNEL_SOURCE"]


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Collect what C code writes to standard error: BCC and clang report in no other way.

    Yields
    ------
    list of str
        Gets the text as its only item when the block is left.
    """
    captured: list[str] = []
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            yield captured
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            stream.seek(0)
            captured.append(stream.read().decode(errors="replace"))
