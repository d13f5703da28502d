"""A shop to show the loop in: its pages, its cart, and a panel that tells why the visitor sees this banner.

Mounted on the edge's own application by `python -m demo.shop`, so that a shop's real edge has none of it: what the panel
tells of a visitor (affinities, purchases) is read from streams' changelog, which edge may not import and never serves.
"""
