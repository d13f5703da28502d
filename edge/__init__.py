"""The visible side: a visitor's banner, its live stream, intake of events and feedback, pictures.

FastAPI on uvicorn. State is a view of `banner.assignments` and `banner.ready` in memory: nothing here is written but
records to Kafka. May import broker, storage, settings and contracts; never streams or generator.
"""
