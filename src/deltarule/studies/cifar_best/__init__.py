"""CIFAR-10 by a network without convolutions, found by a search."""
