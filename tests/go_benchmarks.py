"""Go's benchmark format, to the letter: https://go.dev/design/14313-benchmark-format."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A key begins with a lower-case letter and holds neither blanks nor upper-case letters.
CONFIGURATION = re.compile(r"([a-z][^\sA-Z:]*): (\S.*)")
# "Benchmark", then anything but a lower-case letter; the iterations; pairs of value and unit.
RESULT = re.compile(
    r"Benchmark((?![a-z])\S+)[ \t]+([1-9]\d*)((?:[ \t]+[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)? \S+)+)"
)


@dataclass(frozen=True)
class GoResult:
    name: str
    iterations: int
    value: float
    unit: str


def parse(text: str) -> tuple[dict[str, str], list[GoResult]]:
    """Return configuration and results; every line must be one or the other."""
    assert text.endswith("\n")
    configuration: dict[str, str] = {}
    results = []
    for line in text.splitlines():
        if found := CONFIGURATION.fullmatch(line):
            configuration[found[1]] = found[2]
        else:
            found = RESULT.fullmatch(line)
            assert found, f"not in Go's benchmark format: {line!r}"
            value, unit = found[3].split()
            results.append(GoResult(found[1], int(found[2]), float(value), unit))
    return configuration, results
