"""Work in another network namespace."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET

_T = TypeVar("_T")


def in_network(namespace: int, work: Callable[[], _T]) -> _T:
    """Do some work in a network namespace, in a thread that ends with it.

    Parameters
    ----------
    namespace : int
        Descriptor of the namespace.
    work : callable
        What is to be done.

    Raises
    ------
    OSError
        The namespace cannot be entered, or the work raised it.
    """
    found: list[_T] = []
    failed: list[OSError] = []

    def enter_and_work() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).setns(namespace, _NEW_NETWORK) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            found.append(work())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=enter_and_work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
