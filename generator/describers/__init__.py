"""Describers turn a product into (subject, attributes, setting).

`lexicon` needs no model; `transformers` uses a language model and falls back to the lexicon, product by product.
"""
