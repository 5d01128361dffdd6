"""`python -m deltarule` is the same as `deltarule`."""

from deltarule.cli import main

if __name__ == "__main__":
    main()
