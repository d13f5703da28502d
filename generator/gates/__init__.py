"""What keeps a shop out of trouble: blocked words, nudity in product pictures and in what a model paints.

Light to import: a classifier loads only where the settings name one.
"""
