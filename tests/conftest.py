import os

from hypothesis import settings

# No deadline: the first example may pay for an import. In CI the same examples every time, so that a red run is the
# change's doing; on a developer's machine new ones, so that they go on searching.
settings.register_profile("deltarule", deadline=None, max_examples=50, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("deltarule")
