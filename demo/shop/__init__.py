"""A demonstration shop: its pages, its cart, and a panel that explains why a banner is shown.

`python -m bannerstream.demo.shop` adds it to an edge's application. A production edge does not contain it: the panel
reads visitors' affinities and purchases from the changelog of streams, which the edge must not import.
"""
