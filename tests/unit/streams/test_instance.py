"""A worker's name and folder: exclusive while it runs, the same after a restart."""

import subprocess
import sys

import pytest

from bannerstream.contracts.errors import ConfigurationError
from bannerstream.streams import worker_identity
from bannerstream.streams.worker_identity import claim_identity

HOLDER = """
import sys
from pathlib import Path
from bannerstream.streams.worker_identity import claim_identity
with claim_identity(Path(sys.argv[1])) as instance:
    print(instance.name, flush=True)
    sys.stdin.read()
"""


def test_two_workers_have_names_and_folders_of_their_own(tmp_path):
    with claim_identity(tmp_path) as first, claim_identity(tmp_path) as second:
        assert first.name != second.name
        assert first.folder != second.folder
        assert first.folder.is_dir()


def test_a_name_that_is_free_again_is_given_out_again(tmp_path):
    with claim_identity(tmp_path / "deep" / "folder") as first:
        pass
    with claim_identity(tmp_path / "deep" / "folder") as again:
        assert again == first


def test_names_differ_between_folders(tmp_path):
    with claim_identity(tmp_path / "one") as one, claim_identity(tmp_path / "two") as two:
        assert one.name != two.name


@pytest.fixture
def holder(tmp_path):
    """A running process with a name."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        holder.name = holder.stdout.readline().strip()
        yield holder
        holder.kill()


def test_a_killed_worker_leaves_its_name_to_the_next_one_and_a_living_one_does_not(tmp_path, holder):
    with claim_identity(tmp_path) as other:
        assert other.name != holder.name
    holder.kill()
    holder.wait(20)
    with claim_identity(tmp_path) as successor:
        assert successor.name == holder.name


def test_the_name_of_a_killed_worker_is_given_out_before_one_whose_worker_left(tmp_path):
    with claim_identity(tmp_path) as leaves:
        killed = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        name = killed.stdout.readline().strip()
    killed.kill()
    killed.communicate(timeout=20)
    with claim_identity(tmp_path) as successor:
        assert successor.name == name
        with claim_identity(tmp_path) as next_one:
            assert next_one == leaves
    with claim_identity(tmp_path) as again:
        assert again == leaves


def test_the_name_of_a_worker_that_failed_is_given_out_first_too(tmp_path):
    with claim_identity(tmp_path) as first, pytest.raises(ConnectionResetError), claim_identity(tmp_path) as failed:
        raise ConnectionResetError
    with claim_identity(tmp_path) as successor:
        assert successor == failed != first


def test_a_folder_whose_slots_are_all_taken_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_identity, "MAX_SLOTS", 1)
    with (
        claim_identity(tmp_path),
        pytest.raises(ConfigurationError, match=r"1 workers already"),
        claim_identity(tmp_path),
    ):
        pass


def test_a_folder_that_cannot_be_made_says_which_setting_is_wrong(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match=r"streams\.data_dir = .*file.* cannot be used"),
        claim_identity(tmp_path / "file"),
    ):
        pass


def test_what_goes_wrong_in_the_worker_is_not_taken_for_a_fault_of_the_folder(tmp_path):
    with pytest.raises(ConnectionRefusedError), claim_identity(tmp_path):
        raise ConnectionRefusedError
    with claim_identity(tmp_path) as again:
        assert again.folder.name == "worker-0"
