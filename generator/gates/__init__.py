"""Keeps unfit banners from being published: blocked words, nudity in product pictures and scenes, measured quality.

Light to import: a classifier loads only where the settings name one.
"""
