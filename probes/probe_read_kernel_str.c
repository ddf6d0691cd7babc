// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe_read_kernel_str: a string of 63 characters copied from the kernel's memory.
 *
 * The source is the program's own stack, which it wrote before.  So the length is known.
 */
BPF_ARRAY(lost_updates, u64, 1);

int program(void *ctx)
{
    char bytes[64], text[64];
    __builtin_memset(&text, 'x', sizeof(text));
    text[63] = 0;
    if (bpf_probe_read_kernel_str(&bytes, sizeof(bytes), &text) != sizeof(bytes))
        lost_updates.atomic_increment(0);
    return 0;
}
