"""Small stand-ins for kernels: records, images, packages and a signed mirror."""

import gzip
import io
import shutil
import struct
import subprocess
import tarfile
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
        if path.startswith("DEBIAN/"):
            target.chmod(0o755)  # a script
    control = root / "DEBIAN" / "control"
    control.parent.mkdir(parents=True, exist_ok=True)
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


def raw_deb(path: Path, control_tar, data_tar):
    """Write a package that is put together from two tar archives."""
    path.write_bytes(deb_of(control_tar, data_tar))
    return path


def deb_of(control_tar, data_tar):
    """Return a package with whatever is in it, which dpkg-deb might refuse to make."""
    members = (
        (b"debian-binary", b"2.0\n"),
        (b"control.tar.gz", gzip.compress(control_tar)),
        (b"data.tar.gz", gzip.compress(data_tar)),
    )
    content = b"!<arch>\n"
    for name, data in members:
        content += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, b"100644", len(data))
        content += data + b"\n" * (len(data) % 2)
    return content


def tar(files):
    """A tar archive of plain files; `files` maps path -> bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def sparse_tar(name, size_bytes):
    """A tar archive whose one file takes no bytes and unpacks to many (GNU's old form)."""
    header = bytearray(tarfile.TarInfo(f"./{name}").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:398] = header[398:410] = b"00000000000\0"  # One piece: nothing at the beginning.
    header[483:495] = b"%011o\0" % size_bytes
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(2 * tarfile.BLOCKSIZE)


def control(package, version="6.12.1-1", **fields):
    """A control file."""
    lines = {"Package": package, "Version": version, "Architecture": "amd64", **fields}
    return "".join(f"{name}: {value}\n" for name, value in lines.items()).encode()


class Silent:
    """A reporter that ignores everything."""

    def note(self, text: str) -> None:
        """Drop the line."""

    def progress(self, label: str, done_bytes: int, total_bytes: int) -> None:
        """Drop the progress."""
