"""Who paints a banner, and who instead: attempts, budget, gates, the fallback."""

import threading
from collections.abc import Sequence

import pytest

from bannerstream.contracts.manifest import Rejected
from bannerstream.generator.errors import BlackPicture, ModelHung, NoFontForScript, OverBudget, PaintingFailed
from bannerstream.generator.pipeline.composer import seed_of
from bannerstream.generator.pipeline.fakes import FakeLayout, FakePainter
from bannerstream.generator.pipeline.fallbacks import Fallback
from bannerstream.generator.pipeline.pipeline import MadeBanner, UnmakeableBanner
from bannerstream.generator.pipeline.ports import Composition, Painting, SceneRequest
from bannerstream.generator.serving.budget import ImageBudget
from tests.support.generator_fakes import Fakes, RequestFor, raising, the_one


def test_the_whole_batch_is_painted_together(fakes: Fakes, request_for: RequestFor):
    fakes.pipeline().make([request_for("p1"), request_for("p2"), request_for("p3")])
    assert [len(batch) for batch in fakes.painter.batches] == [6]


def test_a_banner_is_finished_while_the_next_is_painted(fakes: Fakes, request_for: RequestFor):
    """With one banner painted at a time, the second is not begun before the first may be laid out."""
    first_laid_out = threading.Event()

    def paint(scenes: Sequence[SceneRequest]) -> None:
        if len(fakes.painter.batches) > 1:
            assert first_laid_out.wait(10), "nothing was laid out while the painter was busy"

    fakes.paint_batch_size = 1
    fakes.painter = FakePainter(fault=paint)
    fakes.layout = FakeLayout(fault=lambda _: first_laid_out.set())
    outcomes = fakes.pipeline().make([request_for(f"p{number}") for number in range(3)])
    assert all(isinstance(each, MadeBanner) and not each.fallbacks for each in outcomes)
    assert [len(batch) for batch in fakes.painter.batches] == [2, 2, 2]


def test_a_painter_that_fails_once_paints_again_with_another_seed(fakes: Fakes, request_for: RequestFor):
    request = request_for()

    def fault(scenes: list[SceneRequest]) -> None:
        if scenes[0].seed == seed_of(request.banner_key):
            raise PaintingFailed("out of memory")

    fakes.painter.fault = fault
    made = the_one(fakes.pipeline().make([request]))
    assert made.manifest.seed == seed_of(request.banner_key, 1)
    assert made.manifest.provenance.painter == "fake"
    assert made.manifest.provenance.fallback_reason is None


@pytest.mark.parametrize("error", [PaintingFailed("out of memory"), RuntimeError("CUDA error\n  at line 3")])
def test_a_painter_that_fails_twice_is_replaced_and_the_manifest_says_why(
    fakes: Fakes, request_for: RequestFor, error: Exception
):
    fakes.painter.fault = raising(error)
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.provenance.painter == "fallback"
    reason = made.manifest.provenance.fallback_reason
    assert reason is not None
    assert str(error).splitlines()[0] in reason
    assert "\n" not in reason
    assert made.fallbacks == (Fallback("painter", "failed"),)
    assert len(fakes.painter.batches) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OverBudget("over the budget of 600 pictures a minute"), "budget"), (ModelHung("hung"), "hung")],
)
def test_a_painter_that_is_not_to_be_had_is_not_asked_twice(
    fakes: Fakes, request_for: RequestFor, error: PaintingFailed, reason: str
):
    fakes.painter.fault = raising(error)
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.provenance.painter == "fallback"
    assert made.manifest.provenance.fallback_reason == str(error)
    assert made.fallbacks == (Fallback("painter", reason),)
    assert len(fakes.painter.batches) == 1


def test_a_picture_that_a_gate_could_not_look_at_does_not_pass_and_no_other_is_painted(
    fakes: Fakes, request_for: RequestFor
):
    def passes(_banner: object, painting: Painting) -> bool:
        if painting.provenance.painter == "fake":
            raise ModelHung("the classifier hung")
        return True

    fakes.judge.passes = passes
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.provenance.painter == "fallback"
    assert made.fallbacks == (Fallback("painter", "hung"),)
    assert len(fakes.painter.batches) == 1


def test_over_budget_the_painter_is_not_asked_and_what_was_within_is_painted(fakes: Fakes, request_for: RequestFor):
    fakes.budget = ImageBudget(per_minute=5, clock=lambda: 0.0)  # two banners of two sizes each
    outcomes = fakes.pipeline().make([request_for(f"p{number}") for number in range(3)])
    manifests = [each.manifest for each in outcomes if isinstance(each, MadeBanner)]
    assert [each.provenance.painter for each in manifests] == ["fake", "fake", "fallback"]
    assert manifests[2].provenance.fallback_reason == "over the budget of 5 pictures a minute"
    assert sum(map(len, fakes.painter.batches)) == 4


def test_every_candidate_that_is_painted_to_choose_from_costs_budget(fakes: Fakes, request_for: RequestFor):
    fakes.budget, fakes.candidates = ImageBudget(per_minute=11, clock=lambda: 0.0), 3
    outcomes = fakes.pipeline().make([request_for(f"p{number}") for number in range(2)])
    painters = [each.manifest.provenance.painter for each in outcomes if isinstance(each, MadeBanner)]
    assert painters == ["fake", "fallback"]  # two sizes, three candidates each: six of eleven


def test_another_try_costs_budget_too(fakes: Fakes, request_for: RequestFor):
    fakes.budget = ImageBudget(per_minute=2, clock=lambda: 0.0)
    fakes.painter.fault = raising(PaintingFailed("no"))
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.fallbacks == (Fallback("painter", "budget"),)
    assert len(fakes.painter.batches) == 1


def test_a_picture_that_failed_alone_costs_no_other_banner_its_painter(fakes: Fakes, request_for: RequestFor):
    bad = request_for("bad")

    class Spoilt(FakePainter):
        def paint(self, scenes: Sequence[SceneRequest]) -> list[Painting | PaintingFailed]:
            spoilt = seed_of(bad.banner_key)
            return [
                BlackPicture("black") if scene.seed == spoilt else painting
                for scene, painting in zip(scenes, super().paint(scenes), strict=True)
            ]

    fakes.painter = Spoilt()
    outcomes = fakes.pipeline().make([request_for("p1"), bad, request_for("p2")])
    seeds = [each.manifest.seed for each in outcomes if isinstance(each, MadeBanner)]
    assert seeds[1] == seed_of(bad.banner_key, 1)
    assert [len(batch) for batch in fakes.painter.batches] == [6, 2]


def test_a_black_picture_counts_as_failed(fakes: Fakes, request_for: RequestFor):
    fakes.painter.level = lambda _scene: 3
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.provenance.painter == "fallback"
    assert made.fallbacks == (Fallback("painter", "black"),)


def test_a_painting_of_the_wrong_size_counts_as_failed(fakes: Fakes, request_for: RequestFor):
    class Cropped(FakePainter):
        def paint(self, scenes: list[SceneRequest]) -> list[Painting]:
            paintings = super().paint(scenes)
            return [*paintings[:-1], paintings[0]]

    fakes.painter = Cropped()
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.provenance.painter == "fallback"
    assert "1080x1080" in str(made.manifest.provenance.fallback_reason)


def test_one_banner_that_cannot_be_painted_does_not_cost_the_others_their_painter(
    fakes: Fakes, request_for: RequestFor
):
    bad = request_for("bad", title="Bad Thing")

    def fault(scenes: list[SceneRequest]) -> None:
        if any(scene.description.subject == "thing" for scene in scenes):
            raise PaintingFailed("no")

    fakes.painter.fault = fault
    outcomes = fakes.pipeline().make([request_for("p1"), bad, request_for("p2")])
    painters = [each.manifest.provenance.painter for each in outcomes if isinstance(each, MadeBanner)]
    assert painters == ["fake", "fallback", "fake"]


def test_failed_gates_ask_for_another_seed_and_are_reported(fakes: Fakes, request_for: RequestFor):
    request = request_for()
    first = 64 + seed_of(request.banner_key) % 128
    fakes.judge.passes = lambda _banner, painting: int(painting.pixels[0, 0, 0]) != first
    made = the_one(fakes.pipeline().make([request]))
    assert made.manifest.seed == seed_of(request.banner_key, 1)
    assert all(score.passed for score in made.manifest.gates)
    assert made.failed_gates == ("fake", "fake")
    assert made.manifest.rejected == (Rejected(seed=seed_of(request.banner_key), reason="failed gates: fake"),)


def test_gates_that_fail_twice_bring_the_understudy_and_its_banner_stands(fakes: Fakes, request_for: RequestFor):
    fakes.judge.passes = lambda _banner, _painting: False
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.provenance.painter == "fallback"
    assert made.manifest.provenance.fallback_reason == "failed gates: fake"
    assert made.fallbacks == (Fallback("painter", "gates"),)
    assert not any(score.passed for score in made.manifest.gates)
    assert [each.reason for each in made.manifest.rejected] == ["failed gates: fake"] * 2


def test_a_painting_that_cannot_be_finished_is_painted_again(fakes: Fakes, request_for: RequestFor):
    tried: list[str] = []

    def fault(composition: Composition) -> None:
        tried.append(composition.size.name)
        if len(tried) <= 2:
            raise ValueError("over the byte cap")

    fakes.layout.fault = fault
    made = the_one(fakes.pipeline().make([request_for()]))
    assert made.manifest.provenance.painter == "fallback"
    assert made.manifest.provenance.fallback_reason == "ValueError: over the byte cap"


def test_words_without_a_font_are_not_painted_again(fakes: Fakes, request_for: RequestFor):
    fakes.layout.fault = raising(NoFontForScript("install fonts-noto-cjk"))
    (outcome,) = fakes.pipeline().make([request_for()])
    assert isinstance(outcome, UnmakeableBanner)
    assert len(fakes.painter.batches) == 1


def test_when_no_painter_paints_the_request_is_unmakeable(fakes: Fakes, request_for: RequestFor):
    fakes.painter.fault = raising(PaintingFailed("no"))
    fakes.fallback_painter = None
    (outcome,) = fakes.pipeline().make([request_for()])
    assert isinstance(outcome, UnmakeableBanner)
    assert isinstance(outcome.error, PaintingFailed)


def test_composing_needs_no_store_and_raises_what_went_wrong(fakes: Fakes, request_for: RequestFor):
    composed = fakes.composer().compose(request_for(), None)
    assert [picture.size.name for picture in composed.pictures] == ["300x250", "1080x1080"]
    assert fakes.store.written == []
    fakes.copy_writer.fault = raising(ValueError("unwritable"))
    with pytest.raises(ValueError, match="unwritable"):
        fakes.composer().compose(request_for(), None)
