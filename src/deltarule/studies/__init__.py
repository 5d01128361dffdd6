"""The five studies: a folder each, with its recipe and its claims."""
