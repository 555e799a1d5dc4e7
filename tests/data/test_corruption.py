"""Noise and subsets mean what they say: rates with binomial margins, everything else exactly."""

import pytest
import torch

from overparam.data.corruption import noisy_labels, noisy_targets, ramp, subset_order
from overparam.data.digits import Digits
from overparam.data.teacher import Teacher

N, K = 20_000, 10
LABELS = torch.arange(N) % K


def margin(rate: float, count: int) -> float:
    """Five standard deviations of a measured rate: a right one falls outside once in two million."""
    return 5 * (rate * (1 - rate) / count) ** 0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.6])
@pytest.mark.parametrize(("kind", "share"), [("flip", 1), ("uniform", (K - 1) / K), ("pair", 1)])
def test_the_wrong_label_rate_of_each_convention_in_every_subset(kind, share, rate, seed):
    y, wrong = noisy_labels(LABELS, K, rate, seed, kind)
    assert torch.equal(wrong, y != LABELS)
    order = subset_order(N, seed)
    for n in (500, 4_000, N):
        assert abs(wrong[order[:n]].double().mean() - rate * share) < margin(rate * share, n)


def test_flip_is_uniform_over_the_other_classes_and_pair_is_the_next():
    y, wrong = noisy_labels(LABELS, K, 0.5, 0)
    shifts = torch.bincount((y - LABELS)[wrong] % K, minlength=K)
    assert shifts[0] == 0
    assert (shifts[1:] / wrong.sum() - 1 / (K - 1)).abs().max() < margin(1 / 9, int(wrong.sum()))
    y, wrong = noisy_labels(LABELS, K, 0.5, 0, "pair")
    assert torch.equal(y[wrong], (LABELS[wrong] + 1) % K)


def test_class_dependent_noise_follows_its_matrix():
    matrix = torch.rand(K, K, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.05
    matrix /= matrix.sum(1, keepdim=True)
    rate, big = 0.7, torch.arange(N * 10) % K
    y, _ = noisy_labels(big, K, rate, 3, "class_dependent", matrix.tolist())
    counts = torch.zeros(K, K).index_put_((big, y), torch.ones(len(y)), accumulate=True)
    expected = (1 - rate) * torch.eye(K) + rate * matrix
    tolerance = 5 * (expected * (1 - expected) / (N * 10 / K)).sqrt()
    assert ((counts / counts.sum(1, keepdim=True) - expected).abs() < tolerance).all()


def test_class_dependent_noise_grows_over_the_classes_by_default():
    y, wrong = noisy_labels(LABELS, K, 0.8, 0, "class_dependent")
    for label in range(K):
        rate = 0.8 * label / (K - 1)
        measured = wrong[label == LABELS].double().mean()
        assert abs(measured - rate) <= margin(rate, N // K)
    assert torch.tensor(ramp(K)).sum(1).allclose(torch.ones(K))
    # One matrix in which every class goes to one other class leaves nothing to chance but whether.
    swap = [[float(j == K - 1 - i) for j in range(K)] for i in range(K)]
    y, wrong = noisy_labels(LABELS, K, 0.4, 0, "class_dependent", swap)
    assert torch.equal(y[wrong], K - 1 - LABELS[wrong])


@pytest.mark.parametrize("kind", ["flip", "uniform", "pair", "class_dependent"])
def test_noise_is_nested_in_the_rate(kind):
    before, wrong_before = noisy_labels(LABELS, K, 0.1, 0, kind)
    for rate in (0.3, 0.7):
        y, wrong = noisy_labels(LABELS, K, rate, 0, kind)
        assert torch.equal(y[wrong_before], before[wrong_before])
        assert (wrong | ~wrong_before).all()
        before, wrong_before = y, wrong
    assert torch.equal(noisy_labels(LABELS, K, 0.0, 0, kind)[0], LABELS)


def test_the_noise_of_a_subset_does_not_depend_on_the_subset():
    whole, part = (Digits(n_train=n, label_noise=0.3, seed=4) for n in (1200, 300))
    for data in (whole, part):
        data.setup()
    assert torch.equal(part.train.x, whole.train.x[:300])
    assert torch.equal(part.train.y, whole.train.y[:300])
    assert torch.equal(part.train.noisy, whole.train.noisy[:300])


def test_noise_knows_nothing_of_the_subset_order():
    # Whether a sample is wrong and its place in the order are uncorrelated: the trap of a shared permutation
    # shows as a correlation near 1. 40 seeds; the mean of 40 correlations has deviation 1 / sqrt(40 N).
    correlations = []
    for seed in range(40):
        place = torch.argsort(subset_order(2000, seed)).double()
        wrong = noisy_labels(LABELS[:2000], K, 0.2, seed)[1].double()
        correlations.append(torch.corrcoef(torch.stack([place, wrong]))[0, 1])
    assert abs(torch.stack(correlations).mean()) < 5 / (40 * 2000) ** 0.5


def test_streams_do_not_move_each_other():
    base = Digits(n_train=200, label_noise=0.2, seed=0, order_seed=0, batch_size=50)
    base.setup()
    others = (
        Digits(n_train=200, label_noise=0.2, seed=0, order_seed=9, batch_size=7, crop=1),
        Digits(n_train=200, label_noise=0.4, seed=0),
        Digits(n_train=200, label_noise=0.2, noise_kind="uniform", seed=0),
    )
    for other in others:
        other.setup()
        assert torch.equal(other.train.x, base.train.x)
    assert torch.equal(others[0].train.y, base.train.y)
    assert torch.equal(base.train.y[~others[1].train.noisy], others[1].train.y[~others[1].train.noisy])
    assert torch.equal(others[2].train.noisy | base.train.noisy, base.train.noisy)


def test_seed_zero_is_a_seed_like_any_other():
    labels, orders = set(), set()
    for seed in range(5):
        labels.add(tuple(noisy_labels(LABELS[:300], K, 0.5, seed)[0].tolist()))
        orders.add(tuple(subset_order(300, seed).tolist()))
        assert torch.equal(subset_order(300, seed), subset_order(300, seed))
    assert len(labels) == len(orders) == 5


def test_random_labels_are_uniform_and_tell_nothing():
    data = Digits(random_labels=True)
    data.setup()
    clean = Digits()
    clean.setup()
    assert torch.equal(data.train.x, clean.train.x)
    assert torch.equal(data.test.y, clean.test.y)
    assert torch.equal(data.train.noisy, data.train.y != clean.train.y)
    assert abs(data.train.noisy.double().mean() - 0.9) < margin(0.9, 1200)
    # The limit of uniform noise: whoever is wrong at p < 1 keeps that label.
    near = Digits(label_noise=0.6, noise_kind="uniform")
    near.setup()
    assert torch.equal(near.train.y[near.train.noisy], data.train.y[near.train.noisy])


def test_regression_noise_is_one_gaussian_draw_scaled():
    targets = torch.zeros(N, 2, dtype=torch.float64)
    small, large = noisy_targets(targets, 0.5, 1), noisy_targets(targets, 2.0, 1)
    assert torch.allclose(large, 4 * small, rtol=0, atol=1e-12)
    assert abs(small.std() - 0.5) < 5 * 0.5 / (2 * 2 * N) ** 0.5
    assert abs(small.mean()) < 5 * 0.5 / (2 * N) ** 0.5
    data = Teacher(task="regression", num_outputs=1, label_noise=0.3, n_train=100)
    data.setup()
    assert data.train.noisy.all()
    assert not data.test.noisy.any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_train": 0}, "n_train must be between 1 and 1200"),
        ({"n_train": 1201}, "n_train must be between 1 and 1200"),
        ({"label_noise": 1.0}, r"label_noise must be in \[0, 1\)"),
        ({"label_noise": -0.1}, "label_noise must be"),
        ({"label_noise": float("nan")}, "label_noise must be"),
        ({"random_labels": True, "label_noise": 0.1}, "random_labels=true needs"),
        ({"noise_kind": "class_dependent", "noise_matrix": [[1.0]]}, "noise_matrix must be 10 rows of 10"),
        ({"noise_kind": "class_dependent", "noise_matrix": [[0.2] * 10] * 10}, "noise_matrix must be"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"crop": -1}, "crop"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        Digits(**options)
    assert "\n" not in str(caught.value)


def test_augmentation_needs_images():
    with pytest.raises(ValueError, match="need images"):
        Teacher(crop=1)


def test_uniform_noise_draws_every_class_alike_the_true_one_too():
    labels = torch.arange(5).repeat(20_000)
    drawn, _ = noisy_labels(labels, 5, 1.0, seed=0, kind="uniform")
    shares = torch.bincount(5 * labels + drawn, minlength=25).view(5, 5) / 20_000
    torch.testing.assert_close(shares, torch.full((5, 5), 0.2), rtol=0, atol=0.015)  # five standard errors
