"""Topics whose events carry a batch."""

from typing import Any

import faust
from faust.types import Message

from bannerstream.streams.batching.compat import overrides_private


class BatchTopic(faust.Topic):
    """A topic whose events carry a `Batch` each; nothing is decoded on the way to the agent."""

    @overrides_private("faust.topics:Topic._compile_decode", "f30130922bce")
    def _compile_decode(self) -> None:
        async def decode(message: Message, *, propagate: bool = False) -> Any:
            del propagate
            return self._create_event(None, message.value, headers=None, message=message)

        self.decode = decode  # type: ignore[method-assign]  # as the stock method does
