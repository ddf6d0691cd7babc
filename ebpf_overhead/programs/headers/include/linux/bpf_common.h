/* SPDX-License-Identifier: GPL-2.0-only */
/* Empty: included by BCC, not needed by programs that use helpers only. */
