"""Personal style by keywords, after PMG (arXiv 2404.08677): a cohort's taste as words in the prompt.

Behaviour (what the cohort looks at) → a sentence → preference keywords; the product → target keywords. Both are added
to the prompt, repeated by their weights, and the painting that fits both best is kept:
alpha · log d_p + (1 - alpha) · log d_t.

    behaviour, keywords, keyword_weights, candidates   pure
    model_keywords   preference keywords chosen by a language model
    likeness         similarity of pictures and words, by any CLIP-class model
    painter          wraps any painter and combines these
"""

from bannerstream.generator.personal.painter import PersonalPainter

__all__ = ["PersonalPainter"]
"""`generator.assembly` wraps the painter if `generator.personal` is above 0."""
