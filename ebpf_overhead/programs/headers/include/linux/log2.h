/* SPDX-License-Identifier: GPL-2.0-only */
/* What BPF_STACK_TRACE sizes its map with. */
#define roundup_pow_of_two(n) ((n) < 2 ? 1UL : 1UL << (64 - __builtin_clzl((n)-1UL)))
