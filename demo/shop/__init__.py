"""A shop to show the loop in: its pages, its cart, and a panel that tells why this banner is shown.

`python -m bannerstream.demo.shop` puts it on the edge's own application, so that a shop's real edge has none of it: the
panel reads a visitor's affinities and purchases from streams' changelog, which the edge does not know how to read.
"""
