"""The eight one-hot vectors through a ReLU layer: the study `encoder-relu`."""
