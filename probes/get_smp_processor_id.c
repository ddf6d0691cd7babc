// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_smp_processor_id: the helper bpf_get_smp_processor_id, called once.
 *
 * From 6.10 on the JIT of x86_64 puts the two instructions in the call's place.
 */
int program(void *ctx)
{
    bpf_get_smp_processor_id();
    return 0;
}
