"""Builds the compiled extensions and puts the BPF programs into the package."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

_WORKLOAD = Path("ebpf_overhead/workload")
COMPILE_ARGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers"]


# What asv works on where kernels are the revisions; see ebpf_overhead/asv/suite.py.
_SUITE = ("asv.kernels.json", "benchmarks/*.py", "results/**/*.json", "results/**/config")


class BuildWithTree(build_py):
    """Copies ``probes/`` and the suite over kernels into ``ebpf_overhead/`` in the wheel.

    They stand at the top of the tree, where a reader looks for them; an installed package
    finds them inside itself.
    """

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return
        self._copy(Path("ebpf_overhead"), ["probes/*"])
        digest = self._copy(Path("ebpf_overhead/suite"), _SUITE)
        Path(self.build_lib, "ebpf_overhead/suite/.shipped").write_text(digest)

    def _copy(self, package: Path, patterns: Iterable[str]) -> str:
        """Copy files, and return a digest of them."""
        digest = sha256()
        for source in sorted(each for pattern in patterns for each in Path().glob(pattern)):
            target = Path(self.build_lib) / package / source
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))
            digest.update(f"{source}\0{source.stat().st_size}\0".encode() + source.read_bytes())
        return digest.hexdigest()


setup(
    packages=find_packages(include=["ebpf_overhead", "ebpf_overhead.*"]),
    package_data={
        "ebpf_overhead": [
            "py.typed",
            "*/*.pyi",
            "api/templates/*",
            "programs/headers/**/*.h",
            "programs/kallsyms",
            "site/page/*",
            "tools/tracers/*.[ch]",
        ],
    },
    cmdclass={"build_py": BuildWithTree},
    ext_modules=[
        Extension(
            "ebpf_overhead.workload._workload",
            sources=sorted(map(str, _WORKLOAD.glob("_workload*.c"))),
            depends=sorted(map(str, _WORKLOAD.glob("_workload*.h"))),
            extra_compile_args=COMPILE_ARGS,
        ),
        Extension(
            "ebpf_overhead.bpf._syscalls",
            sources=["ebpf_overhead/bpf/_syscalls.c"],
            extra_compile_args=COMPILE_ARGS,
        ),
    ],
)
