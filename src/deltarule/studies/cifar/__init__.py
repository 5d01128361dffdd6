"""The cifar study: a two-layer network on photographs, and deeper ones."""
