"""The facts about this machine that influence measurements, and how to make it quieter.

    tree -> kernel, cpu, host, bpf, process -> Machine -> advice, summary

Every fact is read from a file of the running system.  A fact that cannot be read is
None: nothing is guessed.
"""

from ebpf_overhead.machine.advice import Advice, advice
from ebpf_overhead.machine.facts import Machine, describe
from ebpf_overhead.machine.summary import summary

__all__ = ["Advice", "Machine", "advice", "describe", "summary"]
