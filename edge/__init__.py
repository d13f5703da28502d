"""The visible side: pointer to a visitor's banner, live stream, event intake, demo shop, CDN purgers.

An empty room until it is furnished. May import storage, settings and contracts; never streams or generator.
"""
