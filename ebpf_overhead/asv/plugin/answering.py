"""Has asv's runner fill a cache, and answers at once what is only read from it.

Run by its path, with the command of asv's runner, by the interpreter of the benchmarks: in a
guest or on the host.  asv starts a process for each combination of parameters of each
benchmark, which takes a third of a second.  To read all numbers of a class in one process takes
as long as one of these.

Classes say by `MARK` that their ``track_`` methods only read what ``setup_cache`` returned.  What
fails gets no answer here: asv's own runner runs it, and says how.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import pickle
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asv_runner.discovery import get_benchmark_from_name

# In the directory of the cache: identity of a benchmark -> its result as JSON, what it printed.
FILE = "answers.json"
MARK = "only_read_cache"


def main(command: list[str]) -> None:
    """Run ``benchmark.py setup_cache``, a directory, a benchmark and attributes; and answer."""
    if sys.path[0] == str(Path(__file__).absolute().parent):
        del sys.path[0]  # Benchmarks do not import what lies beside this file.
    sys.argv = command
    try:
        runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    _, _, root, name, _ = command
    Path(FILE).write_text(json.dumps(dict(_answers(root, name))), encoding="utf-8")


def _answers(root: str, name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    owner = getattr(get_benchmark_from_name(root, name).func, "__self__", None)
    if not getattr(owner, MARK, False):
        return
    cache = pickle.loads(Path("cache.pickle").read_bytes())
    for method in filter(lambda name: name.startswith("track_"), dir(owner)):
        benchmark = get_benchmark_from_name(root, f"{name.rpartition('.')[0]}.{method}")
        benchmark.set_cache(cache)
        for index, _ in enumerate(itertools.product(*benchmark.params)):
            identity = benchmark.name
            if benchmark.params:
                identity += f"-{index}"
                benchmark.set_param_idx(index)
            with contextlib.suppress(Exception):
                yield identity, _answer(benchmark)


def _answer(benchmark: Any) -> tuple[str, str]:
    """Run a benchmark as asv's runner does; return what that would write, and what it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            result = math.nan if benchmark.do_setup() else benchmark.do_run()
        finally:
            benchmark.do_teardown()
    return json.dumps(result), said.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
