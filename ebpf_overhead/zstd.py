"""Unpacking zstd with the program of that name: Python itself learnt it in 3.14."""

from __future__ import annotations

import subprocess

from ebpf_overhead.errors import FailedError, MissingToolError

# What zstd says of bytes after a frame, once it has written what was in the frame.
_FOLLOWED = ("unsupported format", "unknown header")


def unpack(packed: bytes, what: str) -> bytes:
    """Return what is packed.

    Parameters
    ----------
    packed : bytes
        A zstd frame; what follows it is ignored.
    what : str
        What it is, for messages: ``this kernel's modules``.

    Raises
    ------
    MissingToolError
        When zstd is not installed.
    FailedError
        When it is no whole frame.
    """
    try:
        done = subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=False)
    except FileNotFoundError:
        raise MissingToolError(
            f"zstd is not installed, which unpacks {what}", "apt-get install zstd"
        ) from None
    message = done.stderr.decode("utf-8", "replace").strip()
    followed = done.stdout and any(words in message for words in _FOLLOWED)
    if done.returncode and not followed:
        raise FailedError(f"zstd cannot unpack {what}: {message}", "get it again")
    return done.stdout
