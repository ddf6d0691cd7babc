import shutil
import subprocess

import pytest

from ebpf_overhead.errors import FailedError, MissingToolError
from ebpf_overhead.kernels import modules


@pytest.mark.parametrize(
    "name",
    [
        "modules.order",
        "modules.builtin.modinfo",
        "kernel/fs/9p/9p.ko.xz",
        "kernel/net/9p/9pnet_virtio.ko",
        "kernel/fs/overlayfs/overlay.ko",
        "kernel/drivers/virtio/virtio_pci.ko",
        "kernel/drivers/block/virtio_blk.ko.zst",
        "kernel/drivers/char/virtio_console.ko",
        "kernel/drivers/char/hw_random/virtio-rng.ko",
        "kernel/drivers/net/virtio_net.ko.xz",
        "kernel/drivers/net/vxlan/vxlan.ko",
        "kernel/drivers/scsi/virtio_scsi.ko",
        "kernel/drivers/scsi/scsi_mod.ko.xz",
        "kernel/drivers/crypto/virtio/virtio_crypto.ko",
        "kernel/arch/x86/kvm/kvm.ko",
    ],
)
def test_kept(name):
    assert modules.is_kept(name)


@pytest.mark.parametrize(
    "name",
    [
        "vmlinuz",
        "config",
        "build/Makefile",
        "source",
        "kernel/sound/core/snd.ko",
        "kernel/drivers/gpu/drm/drm.ko",
        "kernel/drivers/net/ethernet/intel/e1000/e1000.ko",
        "kernel/drivers/net/wireless/ath/ath.ko",
        "kernel/drivers/scsi/mpt3sas/mpt3sas.ko",
        "kernel/drivers/scsi/hpsa.ko",
        "kernel/drivers/crypto/qat/qat.ko",
        "kernel/drivers/media/dvb/dvb.ko",
    ],
)
def test_dropped(name):
    assert not modules.is_kept(name)


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "lib" / "modules" / "6.1.1"
    (folder / "kernel" / "fs").mkdir(parents=True)
    (folder / "modules.order").write_text("kernel/fs/x.ko\n")
    (folder / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    return tmp_path


needs_depmod = pytest.mark.skipif(
    not (shutil.which("depmod") or shutil.which("depmod", path="/usr/sbin:/sbin")),
    reason="depmod is not installed: apt-get install kmod",
)


@needs_depmod
def test_index_is_made_when_missing_and_only_then(base):
    dep = base / "lib/modules/6.1.1/modules.dep"
    modules.index(base, "6.1.1")
    assert dep.read_text() == ""
    dep.write_text("mine\n")
    modules.index(base, "6.1.1")
    assert dep.read_text() == "mine\n"


def test_depmod_missing(base, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *arguments, **options: None)
    with pytest.raises(MissingToolError, match="apt-get install kmod"):
        modules.index(base, "6.1.1")


def test_depmod_fails(base, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "depmod: ERROR: bad\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: failed)
    with pytest.raises(FailedError, match=r"depmod of 6\.1\.1: depmod: ERROR: bad"):
        modules.index(base, "6.1.1")
