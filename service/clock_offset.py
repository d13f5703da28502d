"""The offset of this machine's clock from another's, measured from responses that contain the other's time."""


class ClockOffset:
    """The offset in seconds by which this clock is ahead; None before the first measurement.

    A response is dated between the sending of its request and its arrival, which bounds the offset. The new offset is
    the value within the bounds that is nearest to the last one, initially to 0. So clocks that agree have no offset,
    however slow a response is.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None

    def learn(self, sent_s: float, received_s: float, dated_s: float, resolution_s: float) -> float:
        """Update the offset from a response dated `dated_s` by a clock with this resolution, and return it.

        `sent_s` and `received_s`: this machine's clock at the request and at the response. All are epoch seconds.
        """
        least_s, most_s = sent_s - dated_s - resolution_s, received_s - dated_s
        self.seconds = min(max(self.seconds or 0.0, least_s), most_s)
        return self.seconds
