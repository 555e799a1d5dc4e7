"""What the lab finds out about somebody's LightningDataModule, and that looking at it changes nothing."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from overparam.data.streaming import StreamedData, StreamSplit
from overparam.training.evaluation import evaluate
from overparam.training.objective import cross_entropy

CPU = torch.device("cpu")
X = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(50) % 4


class Named(TensorDataset):
    classes = ("a", "b", "c", "d")


class Streams(L.LightningDataModule):
    def __init__(self, dataset=None, **loader):
        super().__init__()
        self.dataset = Named(X, Y) if dataset is None else dataset
        self.loader = {"batch_size": 8, **loader}

    def train_dataloader(self):
        return DataLoader(self.dataset, shuffle=not isinstance(self.dataset, IterableDataset), **self.loader)

    def test_dataloader(self):
        return DataLoader(self.dataset, **self.loader)


class Lines(IterableDataset):
    def __iter__(self):
        return iter(list(zip(X, Y, strict=True)))


def test_what_the_loader_shows():
    data = StreamedData(Streams())
    found = (data.input_shape, data.num_outputs, data.task, data.n_train, data.batch_size)
    assert found == ((3,), 4, "classification", 50, 8)
    assert data.splits().keys() == {"train", "test"}
    through = StreamedData(Streams(Subset(Named(X, Y), range(20))))
    assert (through.num_outputs, through.n_train) == (4, 20)
    regression = StreamedData(Streams(TensorDataset(X, X[:, :2])))
    assert (regression.num_outputs, regression.task) == (2, "regression")


def test_attributes_say_it_first():
    module = Streams(Lines())
    module.n_train, module.num_classes, module.input_shape, module.task = 50, 7, (3,), "classification"
    data = StreamedData(module)
    assert (data.n_train, data.num_outputs, data.input_shape) == (50, 7, (3,))


def test_what_cannot_be_found_out_is_asked_for():
    with pytest.raises(ValueError, match="Streams must say how many classes it has"):
        StreamedData(Streams(TensorDataset(X, Y)))
    with pytest.raises(ValueError, match="Streams must say how many training samples it has"):
        StreamedData(Streams(Lines()))

    class TrainOnly(L.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(Named(X, Y))

    with pytest.raises(ValueError, match="has no test_dataloader"):
        StreamedData(TrainOnly()).splits()


@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"num_workers": 1}], ids=str)
def test_a_split_is_read_whole_in_order_and_draws_nothing_from_training(options):
    split = StreamSplit(Streams(**options).train_dataloader, CPU)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    x, y = (torch.cat(part) for part in list(zip(*split.batches(99), strict=True))[:2])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x, X)
    assert torch.equal(y, Y)


def test_a_sample_is_fixed_drawn_at_random_and_of_the_size_asked_for():
    split = StreamSplit(Streams().train_dataloader, CPU)
    once, again = (split.first(20).held() for _ in range(2))
    assert torch.equal(once.stored, again.stored)
    assert len(once) == 20
    assert not torch.equal(once.stored, X[:20])
    rows = {tuple(row) for row in X.tolist()}
    assert len({tuple(row) for row in once.stored.tolist()} & rows) == 20
    lines = StreamSplit(Streams(Lines()).train_dataloader, CPU).first(20)
    assert torch.equal(lines.held().stored, X[:20])  # without an index, the first ones


def test_it_is_evaluated_as_the_same_samples_in_memory():
    split = StreamSplit(Streams().test_dataloader, CPU)
    weights = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    found = evaluate(lambda x: x @ weights, split, cross_entropy, 100)
    outputs = X @ weights
    assert found["error"] == (outputs.argmax(1) != Y).double().mean().item()
    assert found["loss"] == pytest.approx(torch.nn.functional.cross_entropy(outputs, Y).item(), rel=1e-6)


class Once(Dataset):
    """Counts how many of its samples are alive: a set that must never be in memory."""

    classes = ("a", "b")
    alive, most = 0, 0

    def __len__(self):
        return 300

    def __getitem__(self, i):
        Once.alive += 1
        Once.most = max(Once.most, Once.alive)
        sample = torch.full((4,), float(i))
        import weakref

        weakref.finalize(sample, self.gone)
        return sample, i % 2

    @staticmethod
    def gone():
        Once.alive -= 1


def test_evaluating_never_holds_more_than_a_batch_or_two():
    split = StreamSplit(Streams(Once()).test_dataloader, CPU)
    evaluate(lambda x: x[:, :2], split, cross_entropy, 100)
    assert Once.most <= 16
