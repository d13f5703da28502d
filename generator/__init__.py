"""The GPU agent: takes banner requests from Kafka, makes banners, stores them, says when they are ready.

A plain aiokafka worker around a pure pipeline of ports: describe → write copy → paint → lay out → judge → encode.
Light to import: torch, diffusers and transformers load only inside the modules that need them. Imports storage,
settings and contracts; never streams or edge.
"""
