from ebpf_overhead.kernels import kconfig

CONFIG = """\
# Linux/x86 6.12.0 Kernel Configuration
CONFIG_DEBUG_INFO_BTF=y
CONFIG_9P_FS=m
CONFIG_HZ=250
CONFIG_PAGE_TABLE_ISOLATION=y
# CONFIG_X86_KERNEL_IBT is not set
"""


def test_features():
    found = kconfig.features(CONFIG)
    assert found["btf"] == "y"
    assert found["ninep"] == "m"
    assert found["hz"] == "250"
    assert found["ibt"] == "n"
    assert found["kprobes"] == "n"


def test_an_option_is_found_under_its_old_and_its_new_name():
    renamed = CONFIG.replace("CONFIG_PAGE", "CONFIG_MITIGATION_PAGE")
    assert kconfig.features(CONFIG)["pti"] == kconfig.features(renamed)["pti"] == "y"


def test_digest_is_of_what_is_set():
    lines = CONFIG.splitlines()
    shuffled = "\n".join(["# another comment", *reversed(lines)]) + "\n"
    assert kconfig.digest(shuffled) == kconfig.digest(CONFIG)
    assert kconfig.digest(CONFIG.replace("CONFIG_HZ=250", "CONFIG_HZ=100")) != kconfig.digest(
        CONFIG
    )
    assert kconfig.digest(CONFIG + "CONFIG_NEW=y\n") != kconfig.digest(CONFIG)
