"""Small stand-ins for kernels: records, images, packages and a signed mirror."""

import shutil
import struct
import subprocess
from pathlib import Path

from ebpf_overhead.kernels.image import build_time
from ebpf_overhead.kernels.record import KernelRecord

CONFIG = """\
#
# Linux/x86 {version} Kernel Configuration
#
CONFIG_MODULES=y
CONFIG_DEBUG_INFO_BTF=y
CONFIG_KPROBE_EVENTS=y
CONFIG_9P_FS=m
# CONFIG_X86_KERNEL_IBT is not set
"""


def build_string(date="2026-01-02", version="1"):
    return f"#1 SMP PREEMPT_DYNAMIC Debian {version} ({date})"


def make_record(release, version=None, date="2026-01-02"):
    """A record as `add` makes it, of a kernel that is not there."""
    build = build_string(date, version or release)
    return KernelRecord(
        release=release,
        version=version or release,
        arch="x86_64",
        build=build,
        built_at_s=build_time(build),
        source="debian",
    )


def bzimage(release, build):
    """The head of an x86 image: what the boot protocol says about its version string."""
    image = bytearray(4096)
    image[0x1F1] = 4
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x400)  # The string is at 0x200 + this.
    struct.pack_into("<H", image, 0x236, 1)
    text = f"{release} (builder@host) {build}\0".encode()
    image[0x600 : 0x600 + len(text)] = text
    return bytes(image)


def make_deb(folder: Path, name, version, files, arch="amd64", **fields):
    """Build a package with real dpkg-deb; `files` maps path -> bytes."""
    root = folder / f"{name}.root"
    shutil.rmtree(root, ignore_errors=True)
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    control = root / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    lines = {
        "Package": name,
        "Version": version,
        "Architecture": arch,
        "Maintainer": "Nobody <nobody@localhost>",
        "Installed-Size": "10",
        "Description": "a kernel for tests",
        **{key.replace("_", "-"): value for key, value in fields.items()},
    }
    control.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    deb = folder / f"{name}_{version}_{arch}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(deb)]
    subprocess.run(command, check=True, capture_output=True)
    return deb


def kernel_files(release, version="1", date="2026-01-02", usr=""):
    """What the package of a kernel holds when it is one package."""
    modules = f"{usr}lib/modules/{release}"
    return {
        f"boot/vmlinuz-{release}": bzimage(release, build_string(date, version)),
        f"boot/config-{release}": CONFIG.format(version=release).encode(),
        f"{modules}/modules.order": b"kernel/fs/9p/9p.ko\n",
        f"{modules}/modules.builtin": b"",
        f"{modules}/kernel/fs/9p/9p.ko": b"",
        f"{modules}/kernel/drivers/gpu/gpu.ko": b"",
    }
