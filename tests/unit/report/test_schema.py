"""Schemas follow from the dataclasses that records are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Literal

import jsonschema
import pytest
from click.testing import CliRunner

from ebpf_overhead.cli import main
from ebpf_overhead.report.record import plain
from ebpf_overhead.report.schema import schema_of
from ebpf_overhead.studies import registry
from ebpf_overhead.tools import records


@dataclass(frozen=True)
class Inner:
    """A part."""

    count: Annotated[int, ("minimum", 1)] = 1
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    """All of it.

    Attributes
    ----------
    given : int or None
        Always there,
        though it may be null.
    first, second : Inner
        Parts.
    """

    given: int | None
    first: Inner
    second: Inner | None = None
    shares: dict[str, Annotated[float, ("minimum", 0)]] | None = None
    kind: Literal["a", "b"] = "a"


SCHEMA = schema_of("made here", Outer)


def test_what_is_left_out_and_what_is_null():
    assert plain(Outer(given=None, first=Inner())) == {
        "given": None,
        "first": {"count": 1, "note": None},
        "kind": "a",
    }
    assert SCHEMA["required"] == ["given", "first", "kind"]
    assert SCHEMA["$defs"]["Inner"]["required"] == ["count", "note"]


def test_descriptions_are_those_of_the_docstring():
    assert SCHEMA["description"] == "All of it."
    assert SCHEMA["properties"]["given"]["description"] == "Always there, though it may be null."
    assert SCHEMA["properties"]["second"]["description"] == "Parts."


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"second": {"count": 2, "note": "x"}, "shares": {"a": 0.5}, "kind": "b"}, True),
        ({"given": "1"}, False),
        ({"second": None}, False),
        ({"first": {"count": 0, "note": None}}, False),
        ({"first": {"count": 1}}, False),
        ({"shares": {"a": -0.5}}, False),
        ({"kind": "c"}, False),
        ({"more": 1}, False),
    ],
)
def test_what_is_valid(change, valid):
    made = plain(Outer(given=1, first=Inner())) | change
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(made) == valid


@pytest.mark.parametrize("name", [*registry.STUDIES, *records.RECORDS])
def test_every_record_has_a_schema_that_the_command_prints(name):
    run = CliRunner().invoke(main, ["schema", name])
    assert run.exit_code == 0, run.output
    printed = json.loads(run.output)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed["properties"]["machine"]["description"].startswith("What the machine is")


def test_without_a_name_it_is_that_of_measure():
    run = CliRunner().invoke(main, ["schema"])
    assert json.loads(run.output) == registry.schema("grid")
