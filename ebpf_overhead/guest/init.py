"""PID 1 of a guest: the host's interpreter, which imports what is asked for and serves commands.

It stays the only process between commands.  Python is started once; commands that are Python
programs themselves are forked from here and find everything imported.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str]) -> None:
    """Set up the guest and serve commands until the host lets go; never returns.

    Parameters
    ----------
    arguments : sequence of str
        The name of a file.  JSON: ``command_port``, ``life_port`` (names of virtio-serial
        ports), ``python`` (the names by which commands call this interpreter), ``preload``
        (``module`` or ``module:function`` each) and ``extensions`` (the file of each compiled
        module that is not beside the others).
    """
    try:
        configuration = json.loads(Path(arguments[0]).read_bytes())
        Path("/proc/sys/kernel/hostname").write_text("guest")
        _serve(configuration)
    except BaseException:  # Whatever it is: an exit of PID 1 is a panic with less to read.
        sys.excepthook(*sys.exc_info())
    power_off()


def _serve(configuration: dict[str, Any]) -> None:
    from ebpf_overhead.guest.agent import Agent
    from ebpf_overhead.guest.child import keep_descriptors

    _forget_this_package()
    if configuration["extensions"]:
        sys.meta_path.insert(0, Extensions(configuration["extensions"]))
    failures = preload(configuration["preload"])
    keep_descriptors()
    # What was imported is never collected, so that forked commands do not copy its pages.
    gc.collect()
    gc.freeze()
    Agent(
        port_device(configuration["command_port"]),
        port_device(configuration["life_port"]),
        python_names=configuration["python"],
        facts={"release": os.uname().release, "preload_failures": failures},
    ).serve()


class Extensions:
    """Finds compiled modules that are not beside the others.

    Parameters
    ----------
    files : mapping of str to str
        The file of each, by name.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Return where a module is; None of others."""
        if name not in self._files:
            return None
        return importlib.util.spec_from_file_location(name, self._files[name])


def _forget_this_package() -> None:
    """Let preloaded modules and commands import this package from their own search path.

    What this process is made of may be another version of it: a commit of the project is
    measured by its own code, in a guest booted by today's.
    """
    for name in list(sys.modules):
        if name.partition(".")[0] == "ebpf_overhead":
            del sys.modules[name]


def preload(entries: Sequence[str]) -> dict[str, str]:
    """Import modules, and call the functions named behind a colon.

    Parameters
    ----------
    entries : sequence of str
        ``module`` or ``module:function``.

    Returns
    -------
    dict
        Entries that failed, with the last line of the reason.
    """
    failures = {}
    for entry in entries:
        module, _, function = entry.partition(":")
        try:
            imported = importlib.import_module(module)
            if function:
                getattr(imported, function)()
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)  # In full on the console.
            failures[entry] = f"{type(error).__name__}: {error}"
    return failures


def port_device(name: str, ports: Path = Path("/sys/class/virtio-ports")) -> str:
    """Return the device of the virtio-serial port with that name.

    There is no udev in a guest, so no link of that name.
    """
    for port in sorted(ports.iterdir()):
        if (port / "name").read_text().strip() == name:
            return f"/dev/{port.name}"
    raise RuntimeError(f"no virtio-serial port is called {name}")


def power_off() -> None:
    """End the guest: QEMU runs with -no-reboot, and a reboot needs no ACPI."""
    sys.stdout.flush()
    sys.stderr.flush()
    import ctypes  # Not at the top: it would cost every boot a tenth of a second.

    ctypes.CDLL(None).reboot(0x01234567)  # LINUX_REBOOT_CMD_RESTART
