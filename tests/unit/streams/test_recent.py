"""The bounded set of recently requested banners."""

from bannerstream.streams.recent_keys import RecentKeys


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_known_until_it_expires():
    clock = Clock()
    keys = RecentKeys(10, clock=clock)
    keys.add("a")
    clock.now += 9.9
    assert "a" in keys
    clock.now += 0.1
    assert "a" not in keys


def test_asking_again_renews_the_expiry():
    clock = Clock()
    keys = RecentKeys(10, clock=clock)
    keys.add("a")
    clock.now += 8
    keys.add("a")
    clock.now += 8
    assert "a" in keys


def test_the_oldest_are_forgotten_when_there_are_too_many():
    keys = RecentKeys(10, max_keys=2, clock=Clock())
    for key in "abc":
        keys.add(key)
    assert [key in keys for key in "abc"] == [False, True, True]
