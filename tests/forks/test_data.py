"""Data of one's own: a table that fits in memory, a folder of images that streams."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.forks.conftest import Lab

FOLDER = {
    "pictures.py": """
        import lightning as L
        from torch.utils.data import DataLoader
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import ToTensor


        class Pictures(L.LightningDataModule):
            def __init__(self, root, batch_size=10):
                super().__init__()
                self.root, self.batch_size = root, batch_size

            def setup(self, stage=None):
                self.train_set = ImageFolder(f"{self.root}/train", ToTensor())
                self.test_set = ImageFolder(f"{self.root}/test", ToTensor())

            def train_dataloader(self):
                return DataLoader(self.train_set, self.batch_size, shuffle=True, drop_last=True)

            def test_dataloader(self):
                return DataLoader(self.test_set, 10)
        """,
    "configs/data/pictures.yaml": """
        _target_: pictures.Pictures
        root: images
        batch_size: 10
        """,
}


def write_images(folder: Path) -> None:
    """Three classes, 20 + 10 images of 8 x 8 each: a class is a color, seen through noise."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 10)):
        for label, name in enumerate(("blue", "green", "red")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 180, (8, 8, 3))
                pixels[..., label] += 75
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{i}.png")


def test_a_table(lab: Lab) -> None:
    lab.write(
        {
            "breast_cancer.py": """
                import numpy as np
                import torch
                from sklearn.datasets import load_breast_cancer

                from overparam.data.module import Pool, PoolDataModule


                class BreastCancer(PoolDataModule):
                    def __init__(self, **common):
                        super().__init__(input_shape=(30,), num_outputs=2, pool_size=400, **common)

                    def load(self):
                        x, y = load_breast_cancer(return_X_y=True)
                        order = np.random.default_rng(0).permutation(len(x))
                        x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)[order]
                        y = torch.tensor(y)[order]
                        return Pool(x[:400], y[:400], x[400:], y[400:])
                """,
            "configs/data/breast_cancer.yaml": """
                defaults:
                  - shared/pool@_here_
                  - _self_

                _target_: breast_cancer.BreastCancer
                """,
        }
    )
    few = ("data=breast_cancer", "trainer.max_steps=100", "model.width=16")
    runs, _ = lab.sweep(*few, "data.n_train=40,400", "data.label_noise=0,0.3", "pack=auto")
    assert len({run.summary["test_error"] for run in runs}) == 4
    for run in runs:
        n, noise = run.config.data.n_train, run.config.data.label_noise
        assert (run.summary["n_train"], run.summary["num_outputs"]) == (n, 2)
        assert run.summary["params"] == 30 * 16 + 16 + 16 * 2 + 2
        assert run.summary["noise_rate"] == pytest.approx(noise, abs=0.15)
        if n == 400 and not noise:
            assert run.summary["test_error"] < 0.05
            assert run.summary["train_error"] < 0.02
    assert set(lab.reported()["data.n_train"]) == {40, 400}


def test_a_folder_of_images_that_streams(lab: Lab) -> None:
    write_images(lab.folder / "images")
    lab.write(FOLDER)
    few = ("data=pictures", "model=mlp", "model.width=16", "trainer.max_steps=60", "optimizer.lr=3e-3")
    runs, _ = lab.sweep(*few, "data.batch_size=10,20", "seed=0,1", "pack=auto")
    assert len({run.summary["train_loss"] for run in runs}) == 4
    for run in runs:
        assert run.summary["params"] == 3 * 8 * 8 * 16 + 16 + 16 * 3 + 3
        assert (run.summary["n_train"], run.summary["num_outputs"], run.summary["steps"]) == (60, 3, 60)
        assert run.summary["noise_rate"] == 0
        assert run.summary["train_error"] < 0.1
        assert run.summary["test_error"] < 0.2
    assert set(lab.reported()["data.batch_size"]) == {10, 20}

    again = lab.train(*few, "data.batch_size=20", "seed=1")
    (same,) = [run for run in runs if run.directory.name == again.directory.name]
    assert again.same_bits(same)  # shuffled by torch's global generator, which the run's seed sets
    # The errors of a fixed sample: whole tenths.
    sampled = lab.train(*few, "evaluation.train_samples=10")
    assert all(row["train_error"] * 10 % 1 == 0 for row in sampled.rows)
    assert len({row["train_error"] for row in sampled.rows}) > 2
    # Looking, at more or fewer, changes nothing of what is looked at.
    assert (sampled.directory / "weights.pt").read_bytes() == (
        lab.train(*few).directory / "weights.pt"
    ).read_bytes()


def test_what_streams_never_lies_in_memory(lab: Lab) -> None:
    write_images(lab.folder / "images")
    lab.write(
        {
            **FOLDER,
            "configs/data/watched.yaml": """
                _target_: watching.Watched
                root: images
                batch_size: 10
                """,
            "watching.py": '''
                """Counts the images that were read, and those that are alive at a time."""

                import weakref

                from torch.utils.data import default_collate
                from pictures import Pictures

                read, alive, most = 0, 0, 0


                def count(batch):
                    global read, alive, most
                    images, labels = default_collate(batch)
                    read, alive = read + len(images), alive + len(images)
                    most = max(most, alive)
                    weakref.finalize(images, forget, len(images))
                    return images, labels


                def forget(size):
                    global alive
                    alive -= size


                class Watched(Pictures):
                    def train_dataloader(self):
                        loader = super().train_dataloader()
                        loader.collate_fn = count
                        return loader
                ''',
        }
    )
    run = lab.train("data=watched", "model=mlp", "model.width=4", "trainer.max_steps=30")
    import watching

    evaluations = len(run.rows)
    assert (
        watching.read >= 30 * 10 + evaluations * 60
    )  # every step and every evaluation reads the files again
    assert watching.most <= 4 * 10  # of 60: a batch or two ahead, as Lightning looks for the last


def test_a_validation_split(lab: Lab) -> None:
    (lab.folder / "configs").mkdir()
    few = ("data.n_train=60", "data.label_noise=0.2", "trainer.max_steps=40")
    run, blind = lab.train(*few, "data.held_out=300"), lab.train(*few)
    assert all(0 < row["val_error"] < 1 for row in run.rows)
    assert run.rows[-1]["val_error"] == pytest.approx(run.summary["test_error"], abs=0.35)
    assert "val_error" not in blind.rows[0]
    assert {name: run.rows[-1][name] for name in blind.rows[-1]} == pytest.approx(blind.rows[-1], nan_ok=True)
