"""The privileges of this process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.bpf.privileges import FIRST_USER_NAMESPACE, parse_effective
from ebpf_overhead.machine.tree import Tree


@dataclass(frozen=True)
class Privileges:
    """What this process may do.

    Attributes
    ----------
    capabilities : dict of str to bool, or None
        Whether each capability that measuring may need is held.
    first_user_namespace : bool or None
        Whether the capabilities count for BPF.  Those of another user namespace (rootless
        containers) do not.
    memlock_limit_bytes : int, "unlimited" or None
        RLIMIT_MEMLOCK, which bounds BPF maps and programs before Linux 5.11.
    """

    capabilities: dict[str, bool] | None
    first_user_namespace: bool | None
    memlock_limit_bytes: int | Literal["unlimited"] | None


def read(tree: Tree) -> Privileges:
    """Return the facts about this process."""
    namespace = tree.link("proc/self/ns/user")
    return Privileges(
        capabilities=parse_effective(tree.text("proc/self/status") or ""),
        first_user_namespace=None if namespace is None else namespace == FIRST_USER_NAMESPACE,
        memlock_limit_bytes=_memlock_limit_bytes(tree.text("proc/self/limits") or ""),
    )


def _memlock_limit_bytes(limits: str) -> int | Literal["unlimited"] | None:
    soft = re.search(r"^Max locked memory +(\S+)", limits, re.MULTILINE)
    if soft is None:
        return None
    return "unlimited" if soft.group(1) == "unlimited" else int(soft.group(1))
