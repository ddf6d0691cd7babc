"""An asv suite for another project, as files: ``ebpf-overhead init`` writes them."""

from __future__ import annotations

import json
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ebpf_overhead.api.program_cost import case_names
from ebpf_overhead.asv.stored import configuration
from ebpf_overhead.errors import BadUseError
from ebpf_overhead.reading import read_text

CONFIGURATION = "asv.conf.json"
# Of a line in a class, as formatters of Python have it.
_WIDTH = 84

# Where each service looks for it, and our template.
CI: Mapping[str, tuple[str, str]] = {
    "github": (".github/workflows/ebpf-overhead.yml", "github.yml"),
    "gitlab": (".gitlab/ebpf-overhead.yml", "gitlab.yml"),
}


def kernels_of(root: Path) -> tuple[str, ...] | None:
    """Return the kernels of the suite that a project has; None where it has none.

    Raises
    ------
    OverheadError
        asv is not installed, or the project has a suite of another kind.
    """
    path = root / CONFIGURATION
    if not path.exists():
        return None
    conf = configuration(path)
    if conf.environment_type != "programs":
        raise BadUseError(
            f"{path} is there, for another suite: nothing was written",
            "give this one a directory of its own: --directory",
        )
    return tuple(conf.matrix.get("env_nobuild", {}).get("KERNEL", ()))


@dataclass(frozen=True)
class NewSuite:
    """What a suite is to track.

    Attributes
    ----------
    root : Path
        The project's directory.
    kernels : tuple of str
        Series or releases to measure on.
    programs : tuple of str
        Files of the project, as they are built.
    build : tuple of str
        Commands that build them, for asv.
    attach, workload : tuple of str
        As for ``ebpf-overhead measure``.
    ci : tuple of str
        Services to write a gate for: keys of `CI`.
    """

    root: Path
    kernels: tuple[str, ...]
    programs: tuple[str, ...]
    build: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    workload: tuple[str, ...] = ()
    ci: tuple[str, ...] = ()

    def files(self) -> dict[str, str]:
        """Return the text of each file by its name in the project.

        Raises
        ------
        OverheadError
            A program is not there, is no program, or lies outside the project.
        """
        kernels = json.dumps(self.kernels)
        within = replace(self, programs=tuple(map(self._within, self.programs)))
        conf = _filled(
            CONFIGURATION,
            project=json.dumps(self.root.resolve().name),
            build=json.dumps(self.build),
            kernels=kernels,
        )
        files = {CONFIGURATION: conf, "benchmarks/__init__.py": "", ".asv/.gitignore": "*\n"}
        for module, program in zip(_modules(within.programs), within.programs, strict=True):
            files[f"benchmarks/{module}.py"] = within._benchmark(module, program)
        for name in self.ci:
            path, template = CI[name]
            files[path] = _filled(template, kernels=kernels)
        return files

    def write(self) -> tuple[list[str], list[str]]:
        """Write the files that are not there yet; return their names, and those of the others.

        Raises
        ------
        OverheadError
            See `files`.
        """
        files = self.files()
        written = []
        for name, text in files.items():
            place = self.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                with place.open("x", encoding="utf-8") as file:
                    file.write(text)
            except FileExistsError:
                continue
            written.append(name)
        return written, [name for name in files if name not in written]

    def _within(self, program: str) -> str:
        root, path = self.root.resolve(), Path(program).resolve()
        if not path.is_file():
            raise BadUseError(f"{program} is not there", "build it: init looks what is in it")
        if not path.is_relative_to(root):
            raise BadUseError(f"{program} is not in the project, {root}", "name a file in it")
        return str(path.relative_to(root))

    def _benchmark(self, module: str, program: str) -> str:
        cases = case_names(str(self.root / program), self.attach, self.workload)
        lines = [f'program = "{program}"', *_listed("cases", cases)]
        lines += _listed("attach", self.attach) + _listed("workload", self.workload)
        return _filled(
            "benchmark.py.txt",
            program=program,
            **{"class": "".join(word.capitalize() for word in module.split("_"))},
            attributes="\n".join(f"    {line}" for line in lines),
        )


def _modules(programs: Sequence[str]) -> list[str]:
    """Return a module's name for each file: that of the file, with its folders' if need be."""
    short = [_identifier(Path(each).name.partition(".")[0]) for each in programs]
    long = [_identifier(each.partition(".")[0]) for each in programs]
    count = Counter(short)
    names = [a if count[a] == 1 else b for a, b in zip(short, long, strict=True)]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise BadUseError(f"several files would be benchmarks/{twice[0]}.py", "name one of them")
    return names


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text.lower(), flags=re.ASCII).strip("_")
    return name if name.isidentifier() and not keyword.iskeyword(name) else f"program_{name}"


def _listed(name: str, values: Iterable[str]) -> list[str]:
    """Return the lines of a list in Python, none where it is empty."""
    words = [json.dumps(value) for value in values]
    short = f"{name} = [{', '.join(words)}]"
    if len(short) <= _WIDTH:
        return [short] if words else []
    return [f"{name} = [", *(f"    {word}," for word in words), "]"]


def _filled(template: str, **values: str) -> str:
    text = read_text(Path(__file__).with_name("templates") / template)
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], text)
