"""The forms in which shops write their events, each read into one `Interaction`.

`native` is ours and strict; `segment` (Segment's e-commerce spec, version 2) and `ga4` (Google Analytics 4: Measurement
Protocol bodies and rows of the BigQuery export) are foreign, so their other fields are ignored. Any other JSON is read
as the shop's `connect.toml` says (`mapped`). One file per format.
A record holds one event, or several (a GA4 body, a Segment batch). Whatever the bytes are, each outcome is an
`Interaction` or an `InvalidRecord` that names the field and what to write instead, never another error.
"""

from bannerstream.contracts.inputs.bulk import Decoded, PlainEvent, Several, decode_events
from bannerstream.contracts.inputs.connect import read_connect
from bannerstream.contracts.inputs.decoding import InputForm, InputFormat, Part, Source, decode_event, decode_record
from bannerstream.contracts.inputs.mapped import EventMapping
from bannerstream.contracts.inputs.native import default_kind

__all__ = [
    "Decoded",
    "EventMapping",
    "InputForm",
    "InputFormat",
    "Part",
    "PlainEvent",
    "Several",
    "Source",
    "decode_event",
    "decode_events",
    "decode_record",
    "default_kind",
    "read_connect",
]
