"""What build/calls.bpf.o costs, in instructions per call."""

from ebpf_overhead.api import ProgramCost


class Calls(ProgramCost):
    program = "build/calls.bpf.o"
    cases = ["raw_tracepoint"]

    def setup_cache(self):
        return self.measured()
