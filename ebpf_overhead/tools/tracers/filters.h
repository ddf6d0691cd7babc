/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which events count.  A condition is compiled in only on request, so that a tracer
 * without filters does not pay for them.  filters.py makes the definitions.
 */
#ifndef EBPF_OVERHEAD_FILTERS_H
#define EBPF_OVERHEAD_FILTERS_H

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

static __always_inline bool wanted(void)
{
#ifdef WANTED_PID
#ifdef PID_NAMESPACE_INO
    /* A container has its own process ids. */
    struct bpf_pidns_info ids = {};
    if (bpf_get_ns_current_pid_tgid(PID_NAMESPACE_DEV, PID_NAMESPACE_INO, &ids, sizeof(ids)) ||
        ids.tgid != WANTED_PID)
        return false;
#else
    if (bpf_get_current_pid_tgid() >> 32 != WANTED_PID)
        return false;
#endif
#endif
#ifdef WANTED_CGROUP
    /* The cgroup itself and everything below it. */
    if (bpf_get_current_ancestor_cgroup_id(WANTED_CGROUP_LEVEL) != WANTED_CGROUP)
        return false;
#endif
#ifdef WANTED_COMMAND_FIRST
    u64 command[2] = {};
    bpf_get_current_comm(command, sizeof(command));
    if (command[0] != WANTED_COMMAND_FIRST || command[1] != WANTED_COMMAND_SECOND)
        return false;
#endif
    return true;
}

#endif
