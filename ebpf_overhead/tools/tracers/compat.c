// SPDX-License-Identifier: GPL-2.0-only
/*
 * compat: system calls of 32-bit programs on x86_64, by their number in the 32-bit table.
 *
 * Attached to the raw tracepoint sys_enter, which sees them.  The tracepoint of a system call
 * does not (ARCH_TRACE_IGNORE_COMPAT_SYSCALLS of arch/x86/include/asm/ftrace.h), and they enter
 * by functions of their own.
 */
#include "filters.h"

#define CS_BYTES       136 /* offset of cs in struct pt_regs */
#define CODE_32_BIT    0x23
#define SYSTEM_CALLS   512
#define SELECTOR(word) ((word) & 0xffff)

struct sys_enter_args {
    u64 regs;
    u64 syscall;
};

BPF_PERCPU_ARRAY(compat_calls, u64, SYSTEM_CALLS);

int count_compat(struct sys_enter_args *ctx)
{
    u64 code = 0;
    bpf_probe_read_kernel(&code, sizeof(code), (void *)(ctx->regs + CS_BYTES));
    if (SELECTOR(code) != CODE_32_BIT || !wanted())
        return 0;
    u32 number = ctx->syscall;
    u64 *seen = compat_calls.lookup(&number);
    if (seen)
        __sync_fetch_and_add(seen, 1);
    return 0;
}
