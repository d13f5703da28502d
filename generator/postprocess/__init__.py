"""What is done to a scene after a model painted it: cut, cleaned of noise, enlarged, its light brought near neutral.

Each step is a pure function of numpy arrays. `generator.evaluation.postprocessing` says what each is worth on scenes
whose answer is known (docs/evaluation.md), `generator.evaluation.before_after` shows them before and after. The contact
shadow is `generator.layout.products`.
"""

from bannerstream.generator.postprocess.finishing import Finisher

__all__ = ["Finisher"]
