"""Training rules to use, and to copy from: each is a subclass of the lab's module that overrides its loss."""
