"""Everything that crosses a topic or a bucket: messages, codecs, keys, topic names, input formats.

Everything here is a value or a pure function. Imports nothing else of ours; everything else may import it.
Times are epoch milliseconds (UTC) as int, named `*_at`; `contracts.times` lists what is accepted from outside.
"""
