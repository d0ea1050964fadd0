"""The stories of chaos rounds can be played: a worker that is killed or frozen is there, a hired one is not yet."""

from __future__ import annotations

from tests.chaos.story import WORKERS, Step, story

SEEDS = range(3000)


def played(steps: list[Step]) -> None:
    """Play it without any worker; raises AssertionError at what cannot be done."""
    there = dict.fromkeys(range(WORKERS), "works")
    api, registry = "", True
    for step in steps:
        state = there.get(step.who, "empty")
        match step.what:
            case "hire":
                assert state in ("empty", "leaves"), step
                there[step.who] = "works"
            case "kill":
                assert state == "works", step
                del there[step.who]
            case "freeze" | "leave":
                assert state == "works", step
                there[step.who] = f"{step.what}s"
            case "thaw":
                assert state == "freezes", step
                there[step.who] = "works"
            case "registry-stops" | "registry-goes-on":
                assert registry is (step.what == "registry-stops"), step
                registry = not registry
            case "api":
                assert bool(api) is not bool(step.how), step
                api = step.how
    assert set(there.values()) == {"works"}
    assert len(there) >= WORKERS
    assert (api, registry) == ("", True)


def test_each_story_can_be_played_and_ends_well() -> None:
    """Every step of a story is possible when it comes: in seed 68 the fourth worker once joined a second time."""
    for seed in SEEDS:
        try:
            played(story(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


def test_each_seed_has_one_story_of_its_own() -> None:
    """The same seed gives the same story, another seed another."""
    assert story(7) == story(7)
    assert len({tuple(story(seed)) for seed in SEEDS}) == len(SEEDS)
