"""Builds the compiled extensions and puts the BPF programs into the package."""

from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

_WORKLOAD = Path("ebpf_overhead/workload")
COMPILE_ARGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers"]


class BuildWithProbes(build_py):
    """Copies ``probes/*`` to ``ebpf_overhead/probes`` in the wheel.

    The programs stand at the top of the tree, where a reader looks for them; an
    installed package finds them inside itself.
    """

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return
        target = Path(self.build_lib) / "ebpf_overhead" / "probes"
        self.mkpath(str(target))
        for source in sorted(Path("probes").iterdir()):
            self.copy_file(str(source), str(target / source.name))


setup(
    packages=find_packages(include=["ebpf_overhead", "ebpf_overhead.*"]),
    package_data={
        "ebpf_overhead": [
            "py.typed",
            "*/*.pyi",
            "api/templates/*",
            "programs/headers/**/*.h",
            "site/page/*",
            "tools/tracers/*.[ch]",
        ],
    },
    cmdclass={"build_py": BuildWithProbes},
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
