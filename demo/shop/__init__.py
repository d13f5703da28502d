"""A shop to show the loop in: its pages, its cart, and a panel that tells why this banner is shown.

Put on the edge's own application by `python -m demo.shop`, so that a shop's real edge has none of it: what the panel
tells of a visitor (affinities, purchases) is read from streams' changelog, which the edge does not know how to read.
"""
