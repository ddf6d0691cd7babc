"""What goes wrong with guests, apart from a command that fails by itself."""

from __future__ import annotations

from ebpf_overhead.errors import FailedError


class GuestBootError(FailedError):
    """A guest did not come up.

    Parameters
    ----------
    what, remedy : str
        As in `OverheadError`.
    log : str, optional
        The end of the boot log: kernel messages and those of the machine emulator.
    """

    def __init__(self, what: str, remedy: str = "", log: str = "") -> None:
        super().__init__(what, remedy)
        self.log = log


class GuestLostError(FailedError):
    """A guest that was up is gone: its kernel panicked or hung, or QEMU ended.

    Parameters
    ----------
    what, remedy : str
        As in `OverheadError`.
    log : str, optional
        The end of the guest's console log.
    """

    def __init__(self, what: str, remedy: str = "", log: str = "") -> None:
        super().__init__(what, remedy)
        self.log = log


class GuestTimeoutError(FailedError):
    """A command in a guest took too long and was killed; the guest lives on.

    Parameters
    ----------
    what, remedy : str
        As in `OverheadError`.
    stdout, stderr : str, optional
        What the command had written until then.
    """

    def __init__(self, what: str, remedy: str = "", stdout: str = "", stderr: str = "") -> None:
        super().__init__(what, remedy)
        self.stdout = stdout
        self.stderr = stderr
