"""Augment training images with mirrored copies.

N images · D numbers of an image, channel by channel, row by row
"""

import numpy as np

from deltarule.data.dataset import Dataset, Rows, with_parts
from deltarule.errors import BadInput


def with_mirrored(dataset: Dataset) -> Dataset:
    """Add a copy of each training image, mirrored left to right.

    Returns
    -------
    The data set with 2 N training rows: the images, then their copies in the same order.

    Raises
    ------
    BadInput
        If the rows are not images.

    Examples
    --------
    >>> from deltarule.data.bundled import digits
    >>> train = with_mirrored(digits()).train
    >>> len(train), train.x[0, :8].tolist() == train.x[1797, 7::-1].tolist(), int(train.labels[1797])
    (3594, True, 0)
    """
    if dataset.image is None:
        raise BadInput(
            f"the rows of {dataset.name} are no images, so they cannot be mirrored; set data.mirrored = false"
        )
    train = dataset.train
    mirrored = train.x.reshape(-1, *dataset.image)[..., ::-1].reshape(train.x.shape)
    x, answers = np.concatenate([train.x, mirrored]), np.concatenate([train.answers, train.answers])
    rows = Rows(x, targets=answers) if train.labels is None else Rows(x, labels=answers)
    return with_parts(dataset, {"train": rows})
