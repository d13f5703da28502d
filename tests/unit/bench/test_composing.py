import json

from bannerstream.contracts.sizes import SIZES
from bench import composing


def test_prints_one_line_per_stage_and_the_stages_make_up_the_whole(capsys):
    composing.main(["--banners", "1", "--rounds", "1"])
    machine, *lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert machine["bench"] == "machine"
    stages = {line["stage"]: line for line in lines}
    assert set(stages) == {"plan", "paint", "lay_out", "encode", "judge", "all"}
    assert all(line["bench"] == "composing" and line["banners"] == 1 for line in lines)
    parts = sum(line["cpu_ms"] for stage, line in stages.items() if stage != "all")
    assert 0 < parts <= stages["all"]["cpu_ms"] + 1


def test_the_example_banners_are_for_products_with_pictures_in_every_size():
    jobs = composing.example_jobs(2)
    assert all(job.product_image is not None and job.product_image.cut_out for job in jobs)
    (composed,) = composing.composer(composing.Clock()).compose_all(jobs[:1])
    assert [picture.size for picture in composed.pictures] == list(SIZES)
