import math

import numpy as np
import pytest
import torch

from overparam.exact.frequencies import frequency_times
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing, generator


def test_steps_are_those_at_which_the_spectrum_of_the_residual_has_fallen():
    """Plain gradient descent in torch, the residual's spectrum by numpy's FFT."""
    rows = frequency_times(5, [1, 2, 3], width=64, points=16, lr=0.2)
    angle = 2 * math.pi * torch.arange(16, dtype=torch.float64) / 16
    phases = 2 * math.pi * torch.rand(3, dtype=torch.float64, generator=generator(5, "phases"))
    y = sum((k * angle + phase).sin() for k, phase in zip((1, 2, 3), phases, strict=True))
    with drawing(derive_seed(5, "init")):
        net = MLP((2,), 1, 64, parametrization="ntk").double()
    x = torch.stack([angle.cos(), angle.sin()], 1)
    spectra = []
    for _ in range(rows[-1]["step"] + 1):
        residual = y - net(x)[:, 0]
        spectra.append(np.abs(np.fft.rfft(residual.detach().numpy()))[1:4])
        gradients = torch.autograd.grad(residual.square().mean(), list(net.parameters()))
        with torch.no_grad():
            for p, g in zip(net.parameters(), gradients, strict=True):
                p -= 0.2 * g
    shares = np.array(spectra) / spectra[0]
    for column, row in enumerate(rows):
        assert shares[row["step"], column] < 0.5 <= shares[row["step"] - 1, column]
        assert row["log2_step"] == math.log2(row["step"])
        if column:
            before = rows[column - 1]["step"]
            assert row["learned_before"] == pytest.approx(1 - shares[before, column])


def test_a_frequency_that_is_not_learned_is_said():
    with pytest.raises(RuntimeError, match="frequency 3 is not learned after 20 steps"):
        frequency_times(0, [1, 3], width=64, points=16, most_steps=20)
