"""Every column of the lab's measures once more, from its definition, in numpy and loops: nothing here is the lab's."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

Layers = list[
    tuple[np.ndarray, np.ndarray]
]  # weights [out, in] and biases [out] of each layer; ReLU between them


@dataclass(frozen=True)
class Trained:
    """A ReLU network before and after training, and its samples, as arrays."""

    layers: Layers
    initial: Layers
    x: np.ndarray
    y: np.ndarray  # classes, some of them wrong
    noisy: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    held_x: np.ndarray
    held_y: np.ndarray
    loss: str  # "cross_entropy" or "mse"
    linear: tuple[Layers, Layers]  # a linear model of the same samples: trained, initial


def forward(layers: Layers, x: np.ndarray) -> list[np.ndarray]:
    """What each layer returns for one sample, before the ReLU."""
    found, h = [], x
    for weights, bias in layers:
        z = np.array(
            [
                sum(w * v for w, v in zip(row, h, strict=True)) + b
                for row, b in zip(weights, bias, strict=True)
            ]
        )
        found.append(z)
        h = np.where(z > 0, z, 0.0)
    return found


def outputs(layers: Layers, xs: np.ndarray) -> np.ndarray:
    return np.array([forward(layers, x)[-1] for x in xs])


def sample_loss(kind: str, z: np.ndarray, label: int) -> float:
    if kind == "cross_entropy":
        return math.log(sum(math.exp(v) for v in z)) - z[label]
    return sum((v - (k == label)) ** 2 for k, v in enumerate(z)) / len(z)


def mean_loss(kind: str, layers: Layers, xs: np.ndarray, ys: np.ndarray) -> float:
    return sum(sample_loss(kind, z, y) for z, y in zip(outputs(layers, xs), ys, strict=True)) / len(ys)


def flat(layers: Layers) -> np.ndarray:
    return np.concatenate([part.ravel() for pair in layers for part in pair])


def unflat(theta: np.ndarray, like: Layers) -> Layers:
    found, start = [], 0
    for weights, bias in like:
        w = theta[start : start + weights.size].reshape(weights.shape)
        b = theta[start + weights.size : start + weights.size + bias.size]
        found.append((w, b))
        start += weights.size + bias.size
    return found


def pulled_back(layers: Layers, x: np.ndarray, at_output: np.ndarray) -> np.ndarray:
    """The gradient [P] of at_output . f(x), by the chain rule."""
    before = [x, *(np.where(z > 0, z, 0.0) for z in forward(layers, x)[:-1])]
    parts, delta = [], at_output
    for (weights, _), h in zip(reversed(layers), reversed(before), strict=True):
        parts[:0] = [np.outer(delta, h).ravel(), delta]
        delta = (weights.T @ delta) * (h > 0)
    return np.concatenate(parts)


def loss_gradient(case: Trained, layers: Layers) -> np.ndarray:
    total = np.zeros(len(flat(layers)))
    for x, y in zip(case.x, case.y, strict=True):
        z = forward(layers, x)[-1]
        target = np.eye(len(z))[y]
        slope = {"cross_entropy": np.exp(z) / np.exp(z).sum() - target, "mse": 2 * (z - target) / len(z)}
        total += pulled_back(layers, x, slope[case.loss]) / len(case.x)
    return total


def dense_hessian(case: Trained, step: float = 1e-5) -> np.ndarray:
    """By central differences of the gradient."""
    theta = flat(case.layers)
    columns = []
    for i in range(len(theta)):
        sides = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[i] += sign * step
            sides.append(loss_gradient(case, unflat(moved, case.layers)))
        columns.append((sides[0] - sides[1]) / (2 * step))
    found = np.array(columns)
    return (found + found.T) / 2


def sam_sharpness(case: Trained, radius: float = 0.05) -> float:
    gradient = loss_gradient(case, case.layers)
    moved = flat(case.layers) + radius * gradient / math.sqrt(sum(g * g for g in gradient))
    after = mean_loss(case.loss, unflat(moved, case.layers), case.x, case.y)
    return after - mean_loss(case.loss, case.layers, case.x, case.y)


def adaptive_sharpness(case: Trained, radius: float = 0.05) -> float:
    """By sequential quadratic programs, from random places in the ball."""
    theta, rng = flat(case.layers), np.random.default_rng(0)

    def moved(u: np.ndarray) -> Layers:
        return unflat(theta + abs(theta) * u, case.layers)

    def climb(start: np.ndarray) -> float:
        found = minimize(
            lambda u: -mean_loss(case.loss, moved(u), case.x, case.y),
            radius * start / length(start),
            jac=lambda u: -abs(theta) * loss_gradient(case, moved(u)),
            constraints={"type": "ineq", "fun": lambda u: radius**2 - u @ u, "jac": lambda u: -2 * u},
            method="SLSQP",
            options={"ftol": 1e-10},
        )
        return -found.fun

    highest = max(climb(rng.standard_normal(len(theta))) for _ in range(4))
    return highest - mean_loss(case.loss, case.layers, case.x, case.y)


def largest_singular_value(matrix: np.ndarray) -> float:
    return math.sqrt(np.linalg.eigvalsh(matrix.T @ matrix)[-1])


def singular_values(matrix: np.ndarray) -> list[float]:
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    return [math.sqrt(max(v, 0.0)) for v in np.linalg.eigvalsh(gram)]


def sample_margins(case: Trained) -> list[float]:
    found = []
    for z, y in zip(outputs(case.layers, case.x), case.y, strict=True):
        found.append(z[y] - max(v for k, v in enumerate(z) if k != y))
    return sorted(found)


def tenth_percentile(ordered: list[float]) -> float:
    place = 0.1 * (len(ordered) - 1)
    low = math.floor(place)
    return ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])


def spectral_product(case: Trained) -> float:
    product = 1.0
    for weights, _ in case.layers:
        product *= largest_singular_value(weights)
    return product


def largest_input(case: Trained) -> float:
    return max(math.sqrt(sum(v * v for v in x)) for x in case.x)


def bound_vc(case: Trained) -> float:
    count = len(flat(case.layers))
    return math.sqrt(count * len(case.layers) * math.log2(count) / len(case.x))


def bound_spectral(case: Trained) -> float:
    margin = tenth_percentile(sample_margins(case))
    if margin <= 0:
        return math.nan
    total = 0.0
    for weights, _ in case.layers:
        rows = sum(math.sqrt(sum(v * v for v in row)) for row in weights)
        total += (rows / largest_singular_value(weights)) ** (2 / 3)
    return largest_input(case) * spectral_product(case) * total**1.5 / (margin * math.sqrt(len(case.x)))


def share_wrong(layers: Layers, xs: np.ndarray, ys: np.ndarray) -> float:
    wrong = [
        max(range(len(z)), key=lambda k: z[k]) != y for z, y in zip(outputs(layers, xs), ys, strict=True)
    ]
    return sum(wrong) / len(wrong)


def noise_fitted(case: Trained) -> float:
    return 1 - share_wrong(case.layers, case.x[case.noisy], case.y[case.noisy])


def noisy_test_error(case: Trained) -> float:
    """Each test label as every class that it may become, with its probability."""
    rate, total = sum(case.noisy) / len(case.noisy), 0.0
    for z, y in zip(outputs(case.layers, case.test_x), case.test_y, strict=True):
        said = int(np.argmax(z))
        for label in range(len(z)):
            chance = 1 - rate if label == y else rate / (len(z) - 1)
            total += chance * (said != label)
    return total / len(case.test_y)


def path_norm(case: Trained) -> float:
    """Over every path, from an input or a bias to an output, one by one."""
    layers, total = case.layers, 0.0
    sizes = [weights.shape[1] for weights, _ in layers] + [layers[-1][0].shape[0]]
    for path in itertools.product(*map(range, sizes)):
        steps = [weights[path[i + 1], path[i]] for i, (weights, _) in enumerate(layers)]
        total += math.prod(step**2 for step in steps)
    for first in range(len(layers)):
        for path in itertools.product(*map(range, sizes[first + 1 :])):
            steps = [layers[first][1][path[0]]]
            steps += [layers[first + 1 + i][0][path[i + 1], path[i]] for i in range(len(path) - 1)]
            total += math.prod(step**2 for step in steps)
    return math.sqrt(total)


def length(vector: np.ndarray) -> float:
    return math.sqrt(sum(float(v) ** 2 for v in vector.ravel()))


def features(case: Trained) -> np.ndarray:
    hidden = np.array([np.maximum(forward(case.layers, x)[-2], 0) for x in case.x])
    return hidden - hidden.sum(0) / len(hidden)


def effective_rank(values: list[float]) -> float:
    total = sum(values)
    return math.exp(-sum(v / total * math.log(v / total) for v in values if v > 0))


def stable_rank(values: list[float]) -> float:
    return sum(v * v for v in values) / max(values) ** 2


def class_means(case: Trained) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The hidden features of all samples, and their means over the classes that are trained on."""
    hidden = np.array([np.maximum(forward(case.layers, x)[-2], 0) for x in case.x])
    return hidden, {c: sum(hidden[case.y == c]) / sum(case.y == c) for c in set(case.y.tolist())}


def within_over_between(case: Trained) -> float:
    hidden, means = class_means(case)
    middle, width = sum(means.values()) / len(means), hidden.shape[1]
    within, between = np.zeros((width, width)), np.zeros((width, width))
    for h, label in zip(hidden, case.y, strict=True):
        within += np.outer(h - means[label], h - means[label]) / len(hidden)
    for mean in means.values():
        between += np.outer(mean - middle, mean - middle) / len(means)
    return float(np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / len(means))


def simplex_distance(case: Trained) -> float:
    _, means = class_means(case)
    middle, found = sum(means.values()) / len(means), []
    for a, b in itertools.combinations(means.values(), 2):
        cosine = (a - middle) @ (b - middle) / (length(a - middle) * length(b - middle))
        found.append(abs(cosine + 1 / (len(means) - 1)))
    return sum(found) / len(found)


def kernel(layers: Layers, xs: np.ndarray) -> np.ndarray:
    width = layers[-1][0].shape[0]
    slopes = [[pulled_back(layers, x, np.eye(width)[k]) for k in range(width)] for x in xs]
    found = np.zeros((len(xs), len(xs)))
    for i, j in itertools.product(range(len(xs)), repeat=2):
        found[i, j] = sum(a @ b for a, b in zip(slopes[i], slopes[j], strict=True)) / width
    return found


def alignment(case: Trained, layers: Layers) -> float:
    n = len(case.x)
    same = np.array([[float(a == b) for a in case.y] for b in case.y])

    def centered(k: np.ndarray) -> np.ndarray:
        return k - k.mean(0)[None, :] - k.mean(1)[:, None] + k.mean()

    a, b = centered(kernel(layers, case.x)), centered(same)
    dot = sum(a[i, j] * b[i, j] for i in range(n) for j in range(n))
    return dot / (length(a) * length(b))


def activity(case: Trained) -> np.ndarray:
    """Whether each hidden unit fires, [samples, units]."""
    return np.array([np.concatenate(forward(case.layers, x)[:-1]) > 0 for x in case.x])


def least_squares_distance(case: Trained, from_start: bool) -> float:
    """To the solution of least norm, or to the one nearest to the start, by the normal equations of the dual."""
    ((weights, bias),), ((weights_0, bias_0),) = case.linear
    x = np.column_stack([case.x, np.ones(len(case.x))])
    targets = np.eye(len(bias))[case.y]
    found = np.column_stack([weights, bias]).T
    start = np.column_stack([weights_0, bias_0]).T * from_start
    # Of full column rank: least squares has one solution; of full row rank: the change is in the row space.
    left = targets - x @ start
    if len(x) > x.shape[1]:
        wanted = start + np.linalg.solve(x.T @ x, x.T @ left)
    else:
        wanted = start + x.T @ np.linalg.solve(x @ x.T, left)
    return length(found - wanted) / length(wanted)


def forward_flops(case: Trained) -> float:
    return float(sum(2 * weights.shape[0] * weights.shape[1] for weights, _ in case.layers))


BY_HAND: dict[str, Callable[[Trained], float]] = {
    "bound_parameters": lambda case: math.sqrt(len(flat(case.layers)) / len(case.x)),
    "bound_vc": bound_vc,
    "bound_spectral": bound_spectral,
    "flops": forward_flops,
    "held_out_loss": lambda case: mean_loss(case.loss, case.layers, case.held_x, case.held_y),
    "held_out_error": lambda case: share_wrong(case.layers, case.held_x, case.held_y),
    "hessian_top": lambda case: float(np.linalg.eigvalsh(dense_hessian(case))[-1]),
    "hessian_trace": lambda case: float(sum(dense_hessian(case).diagonal())),
    "margin_mean": lambda case: sum(sample_margins(case)) / len(case.x),
    "margin_p10": lambda case: tenth_percentile(sample_margins(case)),
    "spectral_product": spectral_product,
    "normalized_margin_p10": lambda case: (
        tenth_percentile(sample_margins(case)) / (spectral_product(case) * largest_input(case))
    ),
    "noise_fitted": noise_fitted,
    "noisy_test_error": noisy_test_error,
    "min_norm_distance": lambda case: least_squares_distance(case, from_start=False),
    "nearest_interpolator_distance": lambda case: least_squares_distance(case, from_start=True),
    "weight_norm": lambda case: length(flat(case.layers)),
    "init_norm": lambda case: length(flat(case.initial)),
    "distance_from_init": lambda case: length(flat(case.layers) - flat(case.initial)),
    "relative_distance": lambda case: (
        length(flat(case.layers) - flat(case.initial)) / length(flat(case.initial))
    ),
    "path_norm": path_norm,
    "feature_effective_rank": lambda case: effective_rank(singular_values(features(case))),
    "feature_stable_rank": lambda case: stable_rank(singular_values(features(case))),
    "feature_rank_share": lambda case: (
        effective_rank(singular_values(features(case))) / features(case).shape[1]
    ),
    "weight_stable_rank": lambda case: (
        sum(stable_rank(singular_values(w)) for w, _ in case.layers) / len(case.layers)
    ),
    "sam_sharpness": sam_sharpness,
    "adaptive_sharpness": adaptive_sharpness,
    "simplex_distance": simplex_distance,
    "kernel_change": lambda case: (
        length(kernel(case.layers, case.x) - kernel(case.initial, case.x))
        / length(kernel(case.initial, case.x))
    ),
    "kernel_alignment": lambda case: alignment(case, case.layers),
    "kernel_alignment_init": lambda case: alignment(case, case.initial),
    "dead_units": lambda case: sum(not any(unit) for unit in activity(case).T) / activity(case).shape[1],
    "active_share": lambda case: activity(case).sum() / activity(case).size,
    "within_over_between": within_over_between,
    "used_units": lambda case: float(sum(sum(unit) >= 0.01 * len(unit) for unit in activity(case).T)),
}
