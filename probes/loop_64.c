// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop_64: a loop of 64 turns that the verifier follows to its end.
 *
 * Each turn adds to a number, behind the compiler's back so that all are made.
 */
int program(void *ctx)
{
    u64 sum = 0;
    for (u64 turn = 0; turn < 64; turn++)
        asm volatile("%0 += %1" : "+r"(sum) : "r"(turn));
    return 0;
}
