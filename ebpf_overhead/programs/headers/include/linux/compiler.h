/* SPDX-License-Identifier: GPL-2.0-only */
/* Words of the kernel's C, which linux/types.h has. */
#include <linux/types.h>
