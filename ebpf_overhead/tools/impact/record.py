"""The record of ``impact``: what a tool costs each workload, and what it takes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ebpf_overhead.measure.noise import Noise
from ebpf_overhead.measure.stats import median
from ebpf_overhead.report.record import Head, Positive, Record, Unit, to_record
from ebpf_overhead.tools.estimate.answer import Budget, Share
from ebpf_overhead.tools.impact.answer import impact
from ebpf_overhead.tools.impact.counting import ProgramRuns
from ebpf_overhead.tools.impact.rounds import ImpactQuestion, Round
from ebpf_overhead.tools.impact.rows import ImpactCase, ToolProgram, ToolRow
from ebpf_overhead.tools.impact.starting import ToolLaunch
from ebpf_overhead.tools.impact.together import RoundOfAll, SumCase, alone, sum_cases


@dataclass(frozen=True, kw_only=True)
class ImpactRecord(Head):
    """A record of ``impact``.

    Attributes
    ----------
    study : str
        Which tool this is.
    kernel : str
        The running kernel.
    unit : str
        Unit of all values per call.
    rounds : int
        How many there were.
    segment_s : float
        Seconds of each quarter of a round.
    noise : Noise
        What else happened on the machine meanwhile; the tool is part of it.
    tool : ToolRow
        The tool.
    programs : list of ToolProgram
        Its BPF programs, as far as their runs could be counted.
    not_counted : str or None
        Why they could not.
    cases : list of ImpactCase
        One per workload.
    alone : list of ToolRow or None
        Of several tools, what each takes alone.
    sums : list of SumCase or None
        Of several tools, what they cost alone and together, one per workload.
    """

    study: Literal["impact"] = "impact"
    kernel: str
    unit: Unit
    rounds: Positive
    segment_s: float
    noise: Noise
    tool: ToolRow
    programs: list[ToolProgram]
    not_counted: str | None
    cases: list[ImpactCase]
    alone: list[ToolRow] | None = None
    sums: list[SumCase] | None = None


def make_record(
    question: ImpactQuestion,
    found: Sequence[RoundOfAll],
    noise: Noise,
    kernel: str,
    unit: Unit,
    budget: float | None = None,
) -> Record:
    """Return the record of a question and its rounds.

    Parameters
    ----------
    question : ImpactQuestion
        What was asked.
    found : sequence of RoundOfAll
        What was measured: `answer.ROUNDS_MIN` rounds or more, with each tool alone behind that
        with all.
    noise : Noise
        What else happened meanwhile.
    kernel : str
        The running kernel.
    unit : str
        ``ns`` or ``instructions``, per call.
    budget : float, optional
        Limit of the share that each workload may pay.
    """
    windows = question.windows
    rounds, *others = (list(each) for each in zip(*found, strict=True))
    cases = [_case(rounds, name, budget) for name in windows.calls]
    cases += [
        ImpactCase(workload=name, status="unsupported", reason=str(error))
        for name, error in windows.unsupported.items()
    ]
    record = ImpactRecord(
        kernel=kernel,
        unit=unit,
        rounds=len(rounds),
        segment_s=question.segment_s,
        noise=noise,
        tool=_tool(question.launch, rounds),
        programs=[_program(each) for one in rounds for each in one.runs or ()],
        not_counted=next((one.not_counted for one in rounds if one.not_counted), None),
        cases=cases,
        alone=[*map(_tool, alone(question.launch), others)] if others else None,
        sums=sum_cases(found, list(windows.calls)) if others else None,
    )
    return to_record(record)


def _case(rounds: Sequence[Round], name: str, budget: float | None) -> ImpactCase:
    found = impact(rounds, name)
    share = Share(found.share.estimate, found.share.low, found.share.high)
    quarters = [(one.before, *one.on, one.after) for one in rounds]
    return ImpactCase(
        workload=name,
        status="measured",
        without=found.without,
        with_tool=found.with_tool,
        difference=found.difference,
        share=found.share,
        again=found.again,
        drift=round(found.drift, 4),
        drifted=found.drifted,
        budget=None if budget is None else Budget.judge(budget, share),
        samples=[
            (
                first.per_call[name],
                second.per_call[name],
                third.per_call[name],
                fourth.per_call[name],
            )
            for first, second, third, fourth in quarters
        ],
    )


def _program(counted: ProgramRuns) -> ToolProgram:
    return ToolProgram(
        name=counted.program.name,
        type=counted.program.kind,
        tag=counted.program.tag,
        hooks=counted.details.attachments,
        map_bytes=sum(counted.details.map_bytes.values()),
        runs=counted.runs,
    )


def _tool(launch: ToolLaunch, rounds: Sequence[Round]) -> ToolRow:
    lives = [one.life for one in rounds]
    return ToolRow(
        start=launch.words,
        stop=launch.stop,
        programs=round(median(life.programs for life in lives)),
        ready_s=median(life.ready_s for life in lives),
        gone_s=median(life.gone_s for life in lives),
        core_share=median(life.cpu_share for life in lives),
        cpu_s=median(life.cpu_s for life in lives),
        resident_bytes=round(median(life.resident_bytes for life in lives)),
        missed=sum(life.missed for life in lives),
        ended=sum(life.ended for life in lives),
        changed=sum(life.changed for life in lives),
    )
