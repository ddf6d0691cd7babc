// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpf_loop_64: the helper bpf_loop with 64 turns of a callback that does nothing.
 *
 * It needs Linux 5.17.  BCC relocates no functions, so the load of the callback's address is
 * written by hand: a 64-bit load (0x18) of a function (BPF_PSEUDO_FUNC, 4) into r2.  Its
 * number is the distance to the function in instructions of 8 bytes.
 */
int program(void *ctx)
{
    asm volatile("r1 = 64\n"
                 "1: .byte 0x18, 0x42, 0, 0\n"
                 ".long (2f - 1b) / 8 - 1\n"
                 ".quad 0\n"
                 "r3 = 0\n"
                 "r4 = 0\n"
                 "call 181\n" /* bpf_loop(64, callback, 0, 0) */
                 "r0 = 0\n"
                 "exit\n"
                 "2: r0 = 0\n" /* the callback: go on */
                 "exit\n");
    __builtin_unreachable();
}
