"""The GPU agent: takes banner requests from Kafka, makes banners, stores them and announces them.

A plain aiokafka worker around a pure pipeline of ports: describe → write copy → paint → lay out → judge → encode.
Light to import: torch, diffusers and transformers load only inside the modules that need them. Imports broker, storage,
service, settings and contracts; never streams or edge. pyproject.toml holds the layers inside this room.
"""
