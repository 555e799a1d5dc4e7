"""Random features on digits: the interpolation peak by least squares, without training."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.data.digits import Digits
from overparam.models.random_features import RandomFeatures
from overparam.randomness import derive_seed, drawing


def random_features(
    seed: int,
    widths: Sequence[int],
    samples: Sequence[int] = (400,),
    label_noise: float = 0.1,
    penalties: Sequence[float] = (0.0,),
    sigma: float = 8.0,
    resplit: bool = False,
) -> list[dict[str, Any]]:
    """Solve for the readout of RBF random features, for every width N, sample size n and ridge penalty.

    Targets are one-hot labels; penalty 0 is the minimum-norm solution, whose test error peaks at N = n (Belkin et
    al. 2019). Everything is float64: in float32 the peak is cut off.

    Args:
        seed: root of the data's streams and of the features'.
        widths: numbers of features N.
        samples: sizes n of the training set.
        label_noise: probability that a training label is flipped.
        penalties: ridge penalties, on the sum of squares.
        sigma: length scale of the kernel.
        resplit: whether `seed` draws the test set too, see `Digits`.

    Returns:
        A row for each width, n and penalty: `width`, `n`, `features_per_sample`, `penalty`, `train_mse`, `test_mse`
        (summed over classes, averaged over samples), `test_error`, `theory`: the test MSE in the limit of infinitely
        many features, which is kernel regression with the same penalty.
    """
    rows = []
    for n in samples:
        data = Digits(n_train=n, label_noise=label_noise, seed=seed, resplit=resplit)
        data.setup()
        targets = F.one_hot(data.train.y, data.num_outputs).double()
        test_targets = F.one_hot(data.test.y, data.num_outputs).double()
        limits = {
            penalty: mse(kernel_regression(data.train.x, targets, data.test.x, sigma, penalty), test_targets)
            for penalty in penalties
        }
        for width in widths:
            with drawing(derive_seed(seed, "init")):
                net = RandomFeatures(data.input_shape, data.num_outputs, width, sigma=sigma)
            for penalty in penalties:
                net.solve(data.train.x, targets, penalty)
                with torch.no_grad():
                    fitted, predicted = net(data.train.x), net(data.test.x)
                row = {"width": width, "n": n, "features_per_sample": width / n, "penalty": penalty}
                row |= {"train_mse": mse(fitted, targets), "test_mse": mse(predicted, test_targets)}
                row["test_error"] = (predicted.argmax(1) != data.test.y).double().mean().item()
                rows.append({**row, "theory": limits[penalty]})
    return rows


def mse(outputs: Tensor, targets: Tensor) -> float:
    """Return the squared error of outputs [N, K], summed over classes and averaged over samples."""
    return (outputs - targets).square().sum(1).mean().item()


def kernel_regression(x: Tensor, targets: Tensor, test_x: Tensor, sigma: float, penalty: float) -> Tensor:
    """Return k(x', X) (K + penalty I)^-1 Y [N', K], with the kernel exp(-||x - x'||^2 / (2 sigma^2)).

    This is the limit of minimizing ||Phi A - Y||^2 + penalty ||A||^2 over random features (Rahimi & Recht 2007).
    """
    train, test = x.flatten(1).double(), test_x.flatten(1).double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (-torch.cdist(a, b).square() / (2 * sigma**2)).exp()

    ridge = penalty * torch.eye(len(train), dtype=train.dtype)
    return kernel(test, train) @ torch.linalg.solve(kernel(train, train) + ridge, targets)
