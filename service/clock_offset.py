"""How far this machine's clock is ahead of another's, learned from answers that carry the other's time."""


class ClockOffset:
    """The offset in seconds, None until something is learned.

    An answer was dated between the moment it was asked for and the moment it came. That bounds the offset, and the
    value within the bounds that is nearest to the last one, at first to 0, is kept: clocks that agree show no offset,
    however slow an answer is.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None

    def learn(self, asked_s: float, answered_s: float, dated_s: float, resolution_s: float) -> float:
        """Return the offset, now that an answer was dated `dated_s`; the other clock shows steps of `resolution_s`.

        `asked_s` and `answered_s` are this machine's clock. All are epoch seconds.
        """
        least_s, most_s = asked_s - dated_s - resolution_s, answered_s - dated_s
        self.seconds = min(max(self.seconds or 0.0, least_s), most_s)
        return self.seconds
