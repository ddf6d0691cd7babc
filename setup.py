"""Builds the compiled extensions and puts the BPF programs into the package."""

from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_py import build_py

COMPILE_ARGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers"]


class BuildWithProbes(build_py):
    """Copies ``probes/*.c`` to ``ebpf_overhead/probes`` in the wheel.

    The programs stand at the top of the tree, where a reader looks for them; an
    installed package finds them inside itself.
    """

    def run(self) -> None:
        super().run()
        if getattr(self, "editable_mode", False):
            return
        target = Path(self.build_lib) / "ebpf_overhead" / "probes"
        self.mkpath(str(target))
        for source in sorted(Path("probes").glob("*.[ch]")):
            self.copy_file(str(source), str(target / source.name))


setup(
    packages=find_packages(include=["ebpf_overhead", "ebpf_overhead.*"]),
    package_data={
        "ebpf_overhead": ["py.typed", "*.pyi", "*.json", "headers/**/*.h", "tracers/*.[ch]"],
    },
    cmdclass={"build_py": BuildWithProbes},
    ext_modules=[
        Extension(
            "ebpf_overhead._workload",
            sources=[
                "ebpf_overhead/_workload.c",
                "ebpf_overhead/_workload_affinity.c",
                "ebpf_overhead/_workload_arguments.c",
                "ebpf_overhead/_workload_errors.c",
                "ebpf_overhead/_workload_functions.c",
                "ebpf_overhead/_workload_gaps.c",
                "ebpf_overhead/_workload_loops.c",
                "ebpf_overhead/_workload_symbol.c",
                "ebpf_overhead/_workload_syscalls.c",
                "ebpf_overhead/_workload_threads.c",
                "ebpf_overhead/_workload_together.c",
                "ebpf_overhead/_workload_watch.c",
            ],
            depends=[
                "ebpf_overhead/_workload_affinity.h",
                "ebpf_overhead/_workload_arguments.h",
                "ebpf_overhead/_workload_errors.h",
                "ebpf_overhead/_workload_functions.h",
                "ebpf_overhead/_workload_gaps.h",
                "ebpf_overhead/_workload_loops.h",
                "ebpf_overhead/_workload_symbol.h",
                "ebpf_overhead/_workload_syscalls.h",
                "ebpf_overhead/_workload_threads.h",
                "ebpf_overhead/_workload_together.h",
                "ebpf_overhead/_workload_watch.h",
            ],
            extra_compile_args=COMPILE_ARGS,
        ),
        Extension(
            "ebpf_overhead._syscalls",
            sources=["ebpf_overhead/_syscalls.c"],
            extra_compile_args=COMPILE_ARGS,
        ),
    ],
)
