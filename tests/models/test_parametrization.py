"""The parametrizations of the MLP: equal functions, and the powers of the width that theory gives."""

import math

import pytest
import torch

from overparam.models.mlp import MLP

WIDTHS = (128, 384, 1152)
SEEDS = 8


def build(parametrization, width=50, seed=0, **knobs):
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    try:
        return MLP((6,), 3, width, parametrization=parametrization, **knobs)
    finally:
        torch.set_default_dtype(torch.float32)


def exponent(values):
    """Slope of log(value) over log(width), by least squares."""
    log_width = torch.tensor(WIDTHS, dtype=torch.float64).log()
    log_value = torch.tensor(values, dtype=torch.float64).log()
    return (torch.cov(torch.stack([log_width, log_value]))[0, 1] / log_width.var()).item()


@pytest.mark.parametrize(
    "knobs", [{}, {"depth": 3, "activation": "tanh", "init": "lecun"}, {"norm": "batch"}]
)
def test_ntk_is_standard_in_function_space_at_the_start(knobs):
    x = torch.randn(9, 6, dtype=torch.float64)
    torch.testing.assert_close(build("ntk", **knobs)(x), build("standard", **knobs)(x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("depth", [1, 3])
def test_mup_at_the_start_is_standard_with_a_readout_smaller_by_the_root_of_the_width(depth):
    x = torch.randn(9, 6, dtype=torch.float64)
    standard = build("standard", width=49, depth=depth)(x)
    torch.testing.assert_close(build("mup", width=49, depth=depth)(x), standard / 7, rtol=1e-12, atol=0)


def test_mup_with_one_hidden_layer_is_the_mean_field_network():
    """SGD at rate lr is that of f = 1/m sum v_i relu(w_i x + b_i) + c with rate m lr for v, w and b."""
    m, lr = 40, 0.3
    net = build("mup", width=m)
    first, readout = net.layers[1], net.layers[-1]
    w, v = first.weight.detach() * math.sqrt(m), readout.weight.detach() * math.sqrt(m)
    mean_field = [
        p.clone().requires_grad_() for p in (w, torch.zeros(m).double(), v, torch.zeros(3).double())
    ]
    x, y = torch.randn(9, 6, dtype=torch.float64), torch.randn(9, 3, dtype=torch.float64)
    for _ in range(5):
        w, b, v, c = mean_field
        theirs = torch.relu(x @ w.T + b) @ v.T / m + c
        ours = net(x)
        torch.testing.assert_close(ours, theirs)
        ours_grads = torch.autograd.grad((ours - y).square().mean(), list(net.parameters()))
        grads = torch.autograd.grad((theirs - y).square().mean(), mean_field)
        with torch.no_grad():
            for p, g in zip(net.parameters(), ours_grads, strict=True):
                p -= lr * g
            for p, g, rate in zip(mean_field, grads, (m * lr, m * lr, m * lr, lr), strict=True):
                p -= rate * g


@pytest.mark.parametrize(("parametrization", "power"), [("standard", 1), ("ntk", 0), ("mup", 0)])
@pytest.mark.parametrize("depth", [1, 2])
def test_tangent_kernel_over_the_width(parametrization, power, depth):
    def trace(width, seed):
        net = build(parametrization, width, seed, depth=depth)
        x = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        grads = torch.autograd.grad(net(x[None])[0, 0], list(net.parameters()))
        return sum(g.square().sum() for g in grads)

    kernels = [sum(trace(width, seed) for seed in range(SEEDS)) for width in WIDTHS]
    assert exponent(kernels) == pytest.approx(power, abs=0.1)


@pytest.mark.parametrize(("parametrization", "power"), [("ntk", -0.5), ("mup", 0)])
@pytest.mark.parametrize("depth", [1, 2])
def test_movement_of_the_features_in_one_gradient_step(parametrization, power, depth):
    """Lazy networks move each hidden unit by m^-1/2; a mu-parametrized one by as much at any width."""

    def movement(width, seed):
        net = build(parametrization, width, seed, depth=depth)
        features = net.layers[:-1]
        rng = torch.Generator().manual_seed(seed)
        x = torch.randn(4, 6, dtype=torch.float64, generator=rng)
        y = 3 * torch.randn(4, 3, dtype=torch.float64, generator=rng)
        before = features(x)
        grads = torch.autograd.grad((net(x) - y).square().mean(), list(net.parameters()))
        with torch.no_grad():
            for p, g in zip(net.parameters(), grads, strict=True):
                p -= 0.1 * g
        return (features(x) - before).square().mean().sqrt().item()

    moved = [sum(movement(width, seed) for seed in range(SEEDS)) for width in WIDTHS]
    assert exponent(moved) == pytest.approx(power, abs=0.1)


@pytest.mark.parametrize("width", [16, 64, 200])
def test_mup_for_adam_is_adam_with_a_rate_for_each_layer(width):
    """Tensor Programs V, table 3: rate lr for input weights and biases, lr 64 / m for hidden weights and readout."""
    lr, net = 0.02, build("mup_adam", width, depth=2)
    layers = [layer for layer in net.layers if isinstance(layer, torch.nn.Linear)]
    scales = [getattr(layer, "scale", 1.0) for layer in layers]
    assert scales == [1.0, 64 / width, 64 / width]
    effective = [
        p.detach().clone().requires_grad_()
        for layer, scale in zip(layers, scales, strict=True)
        for p in (layer.weight * scale, layer.bias)
    ]
    rates = [lr, lr, lr * 64 / width, lr, lr * 64 / width, lr]
    theirs = torch.optim.Adam(
        [{"params": [p], "lr": rate} for p, rate in zip(effective, rates, strict=True)], eps=1e-30
    )
    ours = torch.optim.Adam(net.parameters(), lr=lr, eps=1e-30)
    x, y = torch.randn(9, 6, dtype=torch.float64), torch.randn(9, 3, dtype=torch.float64)
    for _ in range(5):
        w, b, u, c, v, d = effective
        outputs = torch.relu(torch.relu(x @ w.T + b) @ u.T + c) @ v.T + d
        torch.testing.assert_close(net(x), outputs)
        for optimizer, found in ((ours, net(x)), (theirs, outputs)):
            optimizer.zero_grad()
            (found - y).square().mean().backward()
            optimizer.step()


def test_mup_for_adam_starts_as_mup_does_and_is_standard_at_its_base_width():
    x = torch.randn(9, 6, dtype=torch.float64)
    at_base = [build(name, 64, depth=3)(x) for name in ("standard", "mup_adam")]
    torch.testing.assert_close(at_base[1], at_base[0], rtol=1e-12, atol=0)
    wide = [build(name, 200, depth=3)(x) for name in ("mup", "mup_adam")]
    torch.testing.assert_close(wide[1], 8 * wide[0], rtol=1e-12, atol=0)


def movement_by_adam(parametrization, width, seed):
    net = build(parametrization, width, seed, depth=2)
    features = net.layers[:-1]
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(4, 6, dtype=torch.float64, generator=rng)
    y = 3 * torch.randn(4, 3, dtype=torch.float64, generator=rng)
    before, optimizer = features(x), torch.optim.Adam(net.parameters(), lr=1e-3)
    (net(x) - y).square().mean().backward()
    optimizer.step()
    return (features(x) - before).square().mean().sqrt().item()


@pytest.mark.parametrize(("parametrization", "power"), [("mup_adam", 0), ("standard", 1)])
def test_movement_of_the_features_in_one_step_of_adam(parametrization, power):
    moved = [sum(movement_by_adam(parametrization, width, seed) for seed in range(SEEDS)) for width in WIDTHS]
    assert exponent(moved) == pytest.approx(power, abs=0.2)


@pytest.mark.parametrize("name", ["mup", "mup_adam"])
def test_mup_refuses_normalization(name):
    with pytest.raises(ValueError, match=rf"parametrization={name} is for .*norm=none, got norm=batch"):
        build(name, norm="batch")
