"""MNIST by a network that does not know which pixels are neighbors."""
