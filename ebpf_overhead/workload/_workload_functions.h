/*
 * Attach points of uprobes: functions with different first instructions, and a USDT probe.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_FUNCTIONS_H
#define EBPF_OVERHEAD_WORKLOAD_FUNCTIONS_H

/* WORKLOAD_PORTABLE chooses C on every machine, so that C can be tested on each of them. */
#if defined(__x86_64__) && !defined(WORKLOAD_PORTABLE)
#define WORKLOAD_X86_64
#define WORKLOAD_ASSEMBLY
#elif defined(__aarch64__) && !defined(WORKLOAD_PORTABLE)
#define WORKLOAD_AARCH64
#define WORKLOAD_ASSEMBLY
#endif

/* Protected symbols are in the dynamic symbol table, where a uprobe finds them, and are called
 * directly.  The procedure linkage table would add its own instructions to every call. */
#pragma GCC visibility push(protected)

void ebpf_overhead_target(void);
#ifdef WORKLOAD_ASSEMBLY
void ebpf_overhead_push(void);
void ebpf_overhead_ret(void);
/* The USDT probe is not at the function's first instruction. */
void ebpf_overhead_usdt_site(void);
extern const char ebpf_overhead_usdt[];
#endif
#ifdef WORKLOAD_X86_64
void ebpf_overhead_nop5(void);
void ebpf_overhead_nop10(void);
void ebpf_overhead_test(void);
#endif

#pragma GCC visibility pop

#endif
