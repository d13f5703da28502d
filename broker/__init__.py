"""Kafka as a client: connection, topics, publishing, compacted views, dead letters, replay of recorded events.

Shared by streams, generator, edge, purger and the command line. Imports service, settings and contracts only.
"""
