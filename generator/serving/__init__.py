"""Keeps models busy and bounded: batches of pictures, memory limits, budgets, time limits.

The pure cores (`batching`, `limits`, `budget`) know neither Kafka nor models and take their clock as an argument.
`model_slot` loads models, `supervised*` bounds their steps, `paint_server` forms their batches.
"""
