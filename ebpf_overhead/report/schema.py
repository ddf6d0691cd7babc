"""JSON schemas of records, made from the dataclasses that the records are made of."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_origin, get_type_hints

from ebpf_overhead.report.record import left_out, plain

# Where a docstring in numpydoc's form describes fields: "name, other : type" and what follows.
_ATTRIBUTE = re.compile(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)+)", re.MULTILINE)


def schema_of(title: str, head: type, rows: tuple[type, type] | None = None) -> dict[str, Any]:
    """Return the JSON schema of a record.

    Parameters
    ----------
    title : str
        What the record is.
    head : type
        Dataclass of the record's fields, but ``cases``.
    rows : tuple of type and type, optional
        Dataclasses of a case that was measured and of one that was not; None for a record
        without cases.
    """
    from msgspec import json  # Not at the top: only those who ask for a schema need it.

    types = (head, *(rows or ()))
    refs, found = json.schema_components(types, ref_template="#/$defs/{name}")
    defs = {name: _tidied(each, _classes(types)[name]) for name, each in found.items()}
    root = defs.pop(refs[0]["$ref"].rpartition("/")[2])
    if rows is not None:
        measured = {"properties": {"status": {"const": "measured"}}}
        case = {"if": measured, "then": refs[1], "else": refs[2]}
        root["properties"]["cases"] = {"type": "array", "items": case}
        root["required"].append("cases")
    dialect = "https://json-schema.org/draft/2020-12/schema"
    made: dict[str, Any] = plain({"$schema": dialect, **root, "title": title, "$defs": defs})
    return made


def _classes(types: tuple[type, ...]) -> dict[str, type]:
    """Return all dataclasses that some are made of, by name."""
    found: dict[str, type] = {}
    todo: list[Any] = list(types)
    while todo:
        each = todo.pop()
        if dataclasses.is_dataclass(each) and isinstance(each, type) and each.__name__ not in found:
            found[each.__name__] = each
            todo += get_type_hints(each, include_extras=True).values()
        todo += getattr(each, "__args__", ())
    return found


def _tidied(schema: dict[str, Any], cls: type) -> dict[str, Any]:
    """Return a dataclass's schema as its JSON is written (see :mod:`.record`), with its docs."""
    docs = _descriptions(cls)
    hints = get_type_hints(cls, include_extras=True)
    properties = schema["properties"]
    for field in dataclasses.fields(cls):
        words = properties[field.name]
        words.pop("default", None)
        if left_out(field):
            words = _without_null(words)
        _add_words(words, hints[field.name])
        if field.name in docs:
            words["description"] = docs[field.name]
        properties[field.name] = words
    return {
        "description": (cls.__doc__ or "").partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": [each.name for each in dataclasses.fields(cls) if not left_out(each)],
        "additionalProperties": False,
    }


def _without_null(words: dict[str, Any]) -> dict[str, Any]:
    choices = [each for each in words.pop("anyOf", ()) if each != {"type": "null"}]
    return {**words, **choices[0]} if len(choices) == 1 else {**words, "anyOf": choices}


def _add_words(words: dict[str, Any], hint: Any) -> None:
    """Add the words that an annotation carries, itself or inside."""
    words |= dict(getattr(hint, "__metadata__", ()))
    inside: tuple[Any, ...] = getattr(hint, "__args__", ())
    if get_origin(hint) is dict and "additionalProperties" in words:
        _add_words(words["additionalProperties"], inside[1])
    elif type(None) in inside:
        _add_words(words, inside[0])


def _descriptions(cls: type) -> dict[str, str]:
    """Return what the docstrings of a dataclass and its bases say about each field."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        section = (each.__doc__ or "").partition("Attributes\n    ----------\n")[2]
        lines = "\n".join(line[4:] for line in section.splitlines()) + "\n"
        for names, text in _ATTRIBUTE.findall(lines):
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found
