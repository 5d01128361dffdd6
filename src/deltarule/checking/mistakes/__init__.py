"""The mistakes that people make in backpropagation: their names, and how each is recognized from its numbers."""
