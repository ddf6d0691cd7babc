/* SPDX-License-Identifier: GPL-2.0-only */
/* BCC brings its own copy of the contents; only the types are missing. */
#include <linux/types.h>
