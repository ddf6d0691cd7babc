"""How exactly guests repeat themselves, in instructions."""

from __future__ import annotations

# 0.06 per thousand is what a kernel's calibration of its clock is off by.
EXACT = 0.5
# complex takes keys by the time, a thousand of them; where a call takes a round number of ns, a few
# come again and again.  A key that lies behind another one in its bucket takes 20 more.  The kernel
# spreads them by a random number, another one for each map.
BEHIND = 21
