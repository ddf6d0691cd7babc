"""Scripts of bpftrace's, whose maps tell which program is whose."""

# What BEGIN stores is what the second one at the same place looks for.
SCRIPT = """\
#!/usr/bin/bpftrace
/* kprobe:in_a_comment { } */
BEGIN
{
  @known[1] = 1;
}

tracepoint:syscalls:sys_enter_getpid
{
  @start[tid] = nsecs;
}

tracepoint:syscalls:sys_exit_getpid /@start[tid]/ { @ns = hist(nsecs - @start[tid]); }

tracepoint:syscalls:sys_enter_getpid /@known[1] == 1/ { @seen[pid] = count(); }

interval:s:1 { print(@ns); }
END { clear(@start); }
"""

# One that this kernel does not have, and two at one place: bpftrace attaches the last one first.
OF_FUNCTIONS = """\
kprobe:__x64_sys_getpid { @first[comm, pid, tid] = count(); }
kprobe:__x64_sys_getpid { @second[pid] = 1; }
kretprobe:__x64_sys_getpid { @after[retval] = count(); printf("%d\\n", pid); }
kfunc:__do_sys_getpid { @third[pid] = count(); }
kfunc:__no_such_function { @third[pid] = 1; }
kretfunc:__do_sys_getpid { @fourth[retval] = count(); }
"""
