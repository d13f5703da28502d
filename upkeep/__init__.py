"""Keeps the bucket whole and small: checks what is stored, has broken banners made again, removes what nothing needs.

Reads topics and the bucket, publishes requests, removes objects. Imports storage, broker, settings and contracts.
"""
