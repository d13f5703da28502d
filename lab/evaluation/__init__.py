"""Evaluation: how good the generator's parts are, in figures: `bannerstream evaluate`, docs/evaluation.md.

Nothing that makes banners imports this.
"""
