// SPDX-License-Identifier: GPL-2.0-only
/*
 * get_prandom_u32: the helper bpf_get_prandom_u32, called once.
 */
int program(void *ctx)
{
    bpf_get_prandom_u32();
    return 0;
}
