"""What keeps models busy and bounded: who is next, what is painted together, how much, for how long.

The pure cores (`scheduling`, `offsets`, `queue`, `batching`, `limits`, `budget`) know neither Kafka nor models; their
clock is handed in. `supervised`, `painting`, `describing` and `looking` put them around models, `consuming` around
Kafka.
"""
