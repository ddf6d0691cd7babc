// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop_64: a loop of 64 turns, all of which the verifier follows.
 *
 * Each turn adds to a number, in assembly, so that the compiler keeps all turns.
 */
int program(void *ctx)
{
    u64 sum = 0;
    for (u64 turn = 0; turn < 64; turn++)
        asm volatile("%0 += %1" : "+r"(sum) : "r"(turn));
    return 0;
}
