"""Kafka as a client: connection, topics, publishing, compacted views, dead letters, replay of recorded events.

Shared by streams, generator, edge and the command line. Imports settings and contracts; nothing else of ours.
"""
