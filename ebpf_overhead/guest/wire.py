"""Messages between host and agent: one JSON object a line, binary data in base64.

Host to guest (``op``)
    ``hello`` session; ``begin``, once (see `ebpf_overhead.guest.begin`);
    ``run`` argv, cwd, env, terminal (null or [rows, columns]);
    ``kill``; ``input`` data; ``resize`` rows, columns; ``ping``.
Guest to host (``event``)
    ``hello`` session, release, preload_failures; ``output`` stream (1 or 2), data;
    ``begun``; ``exit`` status (negative: ended by that signal); ``refused`` why; ``pong``.
"""

from __future__ import annotations

import base64
import json
from typing import Any

Message = dict[str, Any]

# The other end may be a kernel that has gone mad: a line is not collected without end.
_LONGEST_BYTES = 4 << 20


def encode(message: Message) -> bytes:
    """Return a message as it goes over the wire."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def pack(data: bytes) -> str:
    """Return binary data as a message can hold it."""
    return base64.b64encode(data).decode()


def unpack(text: str) -> bytes:
    """Return what `pack` was given."""
    return base64.b64decode(text)


class Lines:
    """Cuts a stream of bytes into messages.

    A line that is no message is dropped: it is what a peer that vanished in the middle of
    one has left in the channel.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_BYTES:
            self._rest = b""  # What is left of the line is no message.
        return [message for line in lines if (message := _decode(line)) is not None]

    def clear(self) -> None:
        """Forget the beginning of a message."""
        self._rest = b""


def _decode(line: bytes) -> Message | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
