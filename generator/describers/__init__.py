"""Describers: what turns a product into (subject, attributes, setting).

`lexicon` needs no model; `transformers` asks a language model and falls back to the lexicon, product by product.
"""
