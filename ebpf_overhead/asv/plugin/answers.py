"""What a class of benchmarks answered when its cache was filled: asv need not ask again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ebpf_overhead.asv.plugin import answering
from ebpf_overhead.errors import OverheadError
from ebpf_overhead.reading import read_json

# What asv's --quick and --attribute may set, and no ``track_`` benchmark looks at.
_OF_TIMES = frozenset({"number", "repeat", "rounds", "warmup_time"})


def fill_and_answer(args: Sequence[str]) -> Sequence[str]:
    """Return a command of asv's runner; one that fills a cache is to answer as well."""
    return [answering.__file__, *args] if args[1] == "setup_cache" else args


def known(args: Sequence[str], options: Mapping[str, Any]) -> tuple[str, str, int] | None:
    """Do what a command of asv's runner would do, if its result is known already.

    Parameters
    ----------
    args : sequence of str
        ``benchmark.py run``, the directory, the benchmark, attributes, profile and result file.
    options : mapping
        As for ``util.check_output``; ``cwd`` is the directory of the cache.

    Returns
    -------
    tuple or None
        What ``util.check_output`` returns; None when the benchmark has to be run.
    """
    if args[1] != "run" or not options.get("return_stderr"):
        return None
    _, _, _, identity, attributes, profile, result_file = args
    if profile != "None" or not json.loads(attributes).keys() <= _OF_TIMES:
        return None
    try:
        answers = read_json(Path(options["cwd"], answering.FILE), dict[str, tuple[str, str]])
        result, said = answers[identity]
    except (OverheadError, KeyError):
        return None
    # Made again, not written to: a guest may have put a link in its place.
    place = Path(result_file)
    place.unlink()
    with place.open("x", encoding="utf-8") as written:
        written.write(result)
    return said, "", 0
