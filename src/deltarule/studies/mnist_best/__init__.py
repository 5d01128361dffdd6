"""MNIST by a network that does not know which pixels are neighbors, found by a search on validation images."""
