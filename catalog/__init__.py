"""The shop's catalogue on its way in: reads and checks its files, stores its pictures, publishes its records.

Imports storage, broker, settings and contracts.
"""
