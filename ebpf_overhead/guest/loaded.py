"""Which files a warm interpreter works with: found on the host, which imports the same.

A guest that is to be saved has nothing of the host mounted.  So its root holds these files.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ebpf_overhead.guest import elf

_opened: set[str] = set()


def main(modules: Sequence[str]) -> None:
    """Import modules, and print as JSON which files that took.

    Parameters
    ----------
    modules : sequence of str
        Their names.  What the guest's own process 1 imports comes by itself.
    """
    sys.addaudithook(_note)
    for name in ("agent", "begin", "child", "forked", "init"):
        importlib.import_module(f"ebpf_overhead.guest.{name}")
    for name in list(sys.modules):  # As process 1 does before it imports the rest.
        _note_module(name)
        if name.partition(".")[0] == "ebpf_overhead":
            del sys.modules[name]
    for name in modules:
        with suppress(Exception):  # The guest says what cannot be imported.
            importlib.import_module(name)
    for name in list(sys.modules):
        _note_module(name)
    found = [*_opened, *_mapped(), *_startup()]
    print(json.dumps(sorted({path for path in found if Path(path).exists()})))


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(path := arguments[0], str) and path.startswith("/"):
        _opened.add(path)


def _note_module(name: str) -> None:
    module = sys.modules[name]
    for attribute in ("__file__", "__cached__"):
        if isinstance(path := getattr(module, attribute, None), str):
            _opened.add(path)


def _mapped() -> set[str]:
    """Return the libraries of this process, under every name that they have in their directory."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split(maxsplit=5)[5] for line in lines if line.count("/")}
    links = [
        str(link)
        for folder in {Path(path).parent for path in mapped if ".so" in path}
        for link in folder.iterdir()
        if link.is_symlink() and str(link.resolve()) in mapped
    ]
    return mapped.union(links)


def _startup() -> list[str]:
    """Return what an interpreter reads before it imports anything.

    A directory changes when something is installed in it.
    """
    configurations = [path for entry in sys.path for path in Path(entry).glob("*.pth")]
    configured = [Path(sys.executable).parent, Path(sys.prefix)]
    loader = elf.loader(Path("/proc/self/exe").read_bytes())
    return [
        *([] if loader is None else [loader]),
        sys.executable,
        *(str(folder / "pyvenv.cfg") for folder in configured),
        *(str(path) for path in configurations),
        *{str(path.parent) for path in configurations},
    ]
