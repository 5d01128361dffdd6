"""`python -m deltarule` is the same as `deltarule`."""

from deltarule.cli import program

if __name__ == "__main__":
    program()
