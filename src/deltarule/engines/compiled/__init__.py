"""The compiled engine: for tiny networks by the thousand, a program made for their very shape.

Members lie in SIMD lanes: the innermost loop of everything runs over the members of a block. `vector` holds the
elementary functions that such a loop can be made of, `source` takes the formulas out of `maths`, `kernel` writes the
program around them, `cache` keeps it on disk, and `engine` drives it.
"""
