from itertools import combinations

import torch

from overparam.randomness import derive_seed, generator


def test_seeds_are_fixed_for_all_time():
    assert derive_seed(0, "subset") == 6414648906965436682
    assert derive_seed(0) != derive_seed(0, "subset")


def test_streams_and_seeds_never_coincide():
    names = [
        ("subset",),
        ("label_noise", "level"),
        ("label_noise", "target"),
        ("order", 0),
        ("order", 1),
        ("init",),
    ]
    seeds = [derive_seed(seed, *name) for seed in (0, 1, 10, 2**31) for name in names]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_are_uncorrelated():
    draws = [torch.randn(4000, generator=generator(0, name)) for name in ("a", "b", "c", "d")]
    for x, y in combinations(draws, 2):
        assert abs(torch.corrcoef(torch.stack([x, y]))[0, 1]) < 4 / 4000**0.5
