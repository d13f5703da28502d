"""Evaluation: measures the generator's parts (`bannerstream evaluate`, docs/evaluation.md).

Nothing that makes banners imports this.
"""
