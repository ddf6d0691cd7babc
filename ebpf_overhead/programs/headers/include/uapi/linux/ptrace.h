/* SPDX-License-Identifier: GPL-2.0-only */
/* The registers of a kprobe's or uprobe's context, as BCC's PT_REGS_… read them. */
#ifndef EBPF_OVERHEAD_PTRACE_H
#define EBPF_OVERHEAD_PTRACE_H

#include <linux/types.h>

struct pt_regs {
#if defined(__x86_64__)
    unsigned long r15, r14, r13, r12, bp, bx;
    unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
    unsigned long orig_ax, ip, cs, flags, sp, ss;
#elif defined(__aarch64__)
    u64 regs[31], sp, pc, pstate;
#endif
};

#endif
