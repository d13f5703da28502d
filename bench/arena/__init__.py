"""What `bench.streams` runs its systems in: events and their table, environments, the clock, and the audit of results.

Knows the product only by its contracts (events must be valid ones) and `local` (the broker).
"""
