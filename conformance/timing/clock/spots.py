"""Spot checks: answers from the middle of timed blocks are judged, at random moments.

A backend may compute its answers when it is judged, and not when it is timed. So after some blocks
of the rounds a shorter one follows, with a random number of calls. Its last answer is judged, which
is like judging a random call of the block. Sometimes an index is changed first, if the library
reads the indices in place.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from embcheck.conformance.timing.clock import gate
from embcheck.conformance.timing.clock.arms import Arm

FIRST, LATER = 8, 2
"""After the k-th block, a spot check follows with a chance of LATER in FIRST + k: two in the first
16 blocks, on average, and ten in the first 1000. So they cost little, and never end."""

CHANGED = 0.5


@dataclass
class SpotChecks:
    """The spot checks of one arm, in one generation."""

    oracle: gate.Oracle
    random: random.Random = field(default_factory=random.SystemRandom)
    blocks: int = 0

    def after_block(self, arm: Arm, calls: int, *, follows: bool) -> None:
        """Perhaps judge a random call of a block; raises ArmLost if its answer is wrong.

        `follows` says that the library sees an index that changes in place.
        """
        self.blocks += 1
        if self.random.random() * (FIRST + self.blocks) >= LATER:
            return
        # A call that trains goes on from the last step, so its answer cannot be judged.
        if self.oracle.traces[0].trains:
            return
        some = self.random.randint(1, calls)
        if follows and self.oracle.others and self.random.random() < CHANGED:
            changed = self.random.choice(self.oracle.others)
            arm.change(0, changed.change)
            # Only the first trace has the changed index, so the block must end with its call.
            arm.time(some, last=0)
            gate.judge_timed(arm, changed.standard)
            arm.change(0, None)
        else:
            arm.time(some)
            gate.judge_timed(arm, self.oracle.traces[arm.last_id])
