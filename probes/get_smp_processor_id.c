// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_smp_processor_id: the helper bpf_get_smp_processor_id, called once.
 *
 * Since 6.10, the JIT of x86_64 replaces the call by two instructions.
 */
int program(void *ctx)
{
    bpf_get_smp_processor_id();
    return 0;
}
