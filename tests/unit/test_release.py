"""What a release has: one version, a changelog of all fragments, a file that says how to cite."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import jsonschema
import yaml

from ebpf_overhead import __version__

ROOT = Path(__file__).parents[2]
TEXT = {"type": "string", "minLength": 1}
# What the project uses of the Citation File Format 1.2.0.
CITATION = {
    "type": "object",
    "additionalProperties": False,
    "required": ["cff-version", "message", "title", "authors", "version", "license"],
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "type": {"enum": ["software", "dataset"]},
        "authors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": TEXT},
                "additionalProperties": False,
            },
        },
        **dict.fromkeys(("message", "title", "abstract", "version", "license"), TEXT),
    },
}


def test_the_citation_file_keeps_to_its_format_and_names_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    jsonschema.validate(cited, CITATION)
    project = metadata("ebpf-overhead")
    assert cited["version"] == __version__
    assert cited["title"] == project["Name"]
    assert cited["license"] == project["License"]


def test_the_changelog_has_every_fragment():
    done = subprocess.run(
        [sys.executable, "-I", "-m", "towncrier", "build", "--draft"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"## {__version__} (" in done.stdout
    lines = set(map(str.strip, done.stdout.splitlines()))
    for fragment in (ROOT / "changelog.d").glob("*.md"):
        if fragment.name != "README.md":
            first = fragment.read_text().strip().partition("\n")[0]
            assert f"- {first}".strip() in lines, fragment.name
