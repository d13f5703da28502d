"""Post-processing of a painted scene: crop, denoise, enlarge, bring its light near neutral.

Every step is a pure function of numpy arrays. `lab.evaluation.postprocessing` measures each step on scenes whose right
answer is known (docs/evaluation.md); `lab.evaluation.before_after` shows them before and after. The contact shadow
is in `generator.layout.products`.
"""

from bannerstream.generator.postprocess.finishing import Finisher

__all__ = ["Finisher"]
