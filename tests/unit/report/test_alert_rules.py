"""The alert rules for Prometheus: valid PromQL, on metrics and labels that the commands write."""

from __future__ import annotations

import re

import pytest
import yaml
from metric_texts import TEXTS
from processes import ROOT
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

promql = pytest.importorskip("promql_parser")

RULES = ROOT / "examples/fleet/ebpf-overhead.rules.yml"
# Given by Prometheus to whatever it scrapes.
SCRAPED = {"instance", "job"}


def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    assert {name for group in groups for name in group} == {"name", "rules"}
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def written():
    """The labels of each metric that some command writes."""
    found = {}
    for text in TEXTS.values():
        for family in openmetrics(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(rule):
    """The metrics that a rule's expression selects, each with the labels that it asks for."""
    found = []

    def visit(node):
        if isinstance(node, promql.VectorSelector):
            found.append((node.name, {each.name for each in node.matchers.matchers}))

    promql.walk(promql.parse(rule["expr"]), visit)
    return found


@pytest.mark.parametrize("rule", rules().values(), ids=rules())
def test_rule_is_on_what_is_written(rule):
    assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
    metrics, labels = written(), SCRAPED.copy()
    assert selectors(rule), "an alert on nothing never fires"
    for name, asked in selectors(rule):
        assert name in metrics
        assert asked <= metrics[name]
        labels |= metrics[name]
    text = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels
    assert re.sub(r"\{\{ \$(labels\.\w+|value( \| \w+)?) \}\}", "", text).count("{") == 0


def test_the_documentation_has_every_alert():
    shown = re.findall(r"^\| (`\w+`.*?) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`([A-Z]\w+)`", " ".join(shown))) == rules().keys()
