"""A sweep of MLPs as a careful person writes it by hand, with torch alone and one thread: python bare.py '{...}'.

Data as tensors, no DataLoader, errors of the training and the test set at log-spaced steps, printed at the end.
"""

import json
import sys
from itertools import product
from typing import Any

import torch
from torch.nn import functional as F


def digits(n_train: int) -> list[torch.Tensor]:
    """scikit-learn's 1,797 digits."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    x, y = torch.tensor(bunch.data / 16, dtype=torch.float32), torch.tensor(bunch.target)
    return [x[:n_train], y[:n_train], x[n_train:], y[n_train:]]


def teacher(n_train: int) -> list[torch.Tensor]:
    """Gaussian inputs in 784 dimensions, labelled by a random network; 1,000 to test."""
    x = torch.randn(n_train + 1000, 784)
    y = (torch.relu(x @ torch.randn(784, 64)) @ torch.randn(64, 10)).argmax(1)
    return [x[:n_train], y[:n_train], x[n_train:], y[n_train:]]


def train(
    data: list[torch.Tensor], width: int, seed: int, steps: int, batch_size: int, evaluated: set[int]
) -> list[tuple[float, ...]]:
    """Train one network with Adam; return the errors and losses of both sets at each evaluated step."""
    torch.manual_seed(seed)
    x, y, test_x, test_y = data
    wrong = torch.rand(len(y)) < 0.2
    y = torch.where(wrong, (y + torch.randint(1, 10, y.shape)) % 10, y)
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], width), torch.nn.ReLU(), torch.nn.Linear(width, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    order, start, found = torch.randperm(len(x)), 0, []
    for step in range(1, steps + 1):
        if batch_size == len(x):
            batch, target = x, y
        else:
            if start + batch_size > len(x):
                start, order = 0, torch.randperm(len(x))
            batch, target = (values[order[start : start + batch_size]] for values in (x, y))
            start += batch_size
        optimizer.zero_grad()
        F.cross_entropy(net(batch), target).backward()
        optimizer.step()
        if step in evaluated:
            row: tuple[float, ...] = ()
            with torch.no_grad():
                for inputs, labels in ((x, y), (test_x, test_y)):
                    outputs = net(inputs)
                    error = (outputs.argmax(1) != labels).float().mean()
                    row = (*row, error.item(), F.cross_entropy(outputs, labels).item())
            found.append(row)
    return found


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    data = {"digits": digits, "teacher": teacher}[given["data"]](given["n_train"])
    for width, seed in product(given["widths"], given["seeds"]):
        rows = train(
            data, width, seed, given["steps"], given["batch_size"] or len(data[0]), set(given["evaluated"])
        )
        print(width, seed, *rows[-1])
