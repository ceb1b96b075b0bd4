"""Which of a sender's numbered messages never came (RFC 5424, 7.3.1: `[meta sequenceId="…"]`)."""

from dataclasses import dataclass, field

GAP_MAX = 100_000
"""A larger jump is another count, not a loss."""
LATE_MAX = 1_000
"""So far back a number is late; one from further back was given by a sender that began to count anew."""
HIGHEST = 2_147_483_647
"""Then it begins again with 1."""


@dataclass(slots=True)
class Numbering:
    """The numbers of one sender, from `last` on; `holes` have not come yet."""

    last: int
    holes: set[int] = field(default_factory=set)

    def came(self, number: int) -> int:
        """Note a number; return how many messages more than before are missing, -1 if it was one of them."""
        if number in self.holes:
            self.holes.discard(number)
            return -1
        ahead = number - self.last if number >= self.last else number - self.last + HIGHEST
        if 0 < ahead <= GAP_MAX:
            missed = [(self.last + at - 1) % HIGHEST + 1 for at in range(1, ahead)]
            self.holes.update(missed[-LATE_MAX:])
            self.holes = {one for one in self.holes if (number - one) % HIGHEST <= LATE_MAX}
            self.last = number
            return len(missed)
        if not 0 <= self.last - number <= LATE_MAX:
            self.last, self.holes = number, set()
        elif number == 1:
            self.last, self.holes = 1, set()
        return 0
