"""Personal style by keywords, after PMG (arXiv 2404.08677): what a cohort likes, in words that a painter understands.

Behaviour (what the cohort looks at) → a sentence → preference keywords; the product → target keywords. Both go into the
prompt, repeated by their weights, and of several paintings the one is kept that fits both best:
alpha · log d_p + (1 - alpha) · log d_t.

    behaviour, styles, weights, choice   pure
    model_keywords                       preference keywords chosen by a language model
    likeness                             how alike picture and words are, by any CLIP-class model
    painter                              the wrapper around any painter that puts these together
"""

from bannerstream.generator.personal.painter import PersonalPainter

__all__ = ["PersonalPainter"]
"""How it is used: `generator.assembly` wraps the painter where `generator.personal` is above 0."""
