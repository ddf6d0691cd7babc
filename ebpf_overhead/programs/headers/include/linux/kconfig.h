/* SPDX-License-Identifier: GPL-2.0-only */
/* What BCC looks at of the kernel configuration. */
#define CONFIG_BPF_SYSCALL 1
