"""The HTTP side: serves visitors' banners, live streams and pictures, and accepts events and feedback.

FastAPI on uvicorn. A node keeps `banner.assignments` and `banner.ready` in memory and writes nothing but records to
Kafka. May import broker, storage, service, settings and contracts; never streams or generator.
"""
