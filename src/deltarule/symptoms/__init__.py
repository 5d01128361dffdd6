"""Why a network does not learn: what is seen of a training, and what it means."""
