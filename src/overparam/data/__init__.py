"""Datasets as LightningDataModules, label noise and subsets, the resident loader."""
