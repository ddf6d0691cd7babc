"""How a guest's kernel reaches the host's files: the options of its 9p mounts."""

from __future__ import annotations

from ebpf_overhead.kernels.versions import version_key

# access=any: no look-up per user.
_COMMON = "trans=virtio,version=9p2000.L,access=any"

# The most that QEMU's 128 descriptors a request can carry.
_LARGEST = 507904

# From here on a request has buffers of the size it needs.  Before, each had two of msize, which
# Debian's kernels clear (init_on_alloc): a million instructions to open a file, were msize the
# largest.  Those kernels also read a cached file page by page, so that more than a page and its
# header is of use to directories only, and every page read ahead is a request.
_BUFFERS_AS_NEEDED = version_key("6.1")
_SMALL = 16384
_PAGE_KIB = 4


def mount_options(release: str) -> str:
    """Return the options for a mount, whose ``cache`` is the caller's choice.

    Parameters
    ----------
    release : str
        The guest kernel's release.
    """
    return f"{_COMMON},msize={_SMALL if _is_old(release) else _LARGEST}"


def readahead_kib(release: str) -> int | None:
    """Return how much is best read at a time, in KiB; None: what the kernel thinks best."""
    return _PAGE_KIB if _is_old(release) else None


def _is_old(release: str) -> bool:
    return version_key(release) < _BUFFERS_AS_NEEDED
