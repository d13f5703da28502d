"""The three forms in which shops write their events, each read into one `Interaction`.

`native` is ours and strict; `segment` (Segment's e-commerce spec, version 2) and `ga4` (Google Analytics 4: Measurement
Protocol bodies and rows of the BigQuery export) are foreign, so their other fields are ignored. One file per format.
Whatever the bytes are, the outcome is an `Interaction` or an `InvalidRecord` that names the field, never another error.
"""

from contracts.inputs.bulk import Decoded, PlainEvent, decode_events
from contracts.inputs.decoding import InputFormat, Source, decode_event
from contracts.inputs.native import default_kind

__all__ = ["Decoded", "InputFormat", "PlainEvent", "Source", "decode_event", "decode_events", "default_kind"]
