"""What is known about code that is checked, how long corrections are tried, and the number of threads."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from deltarule.blas_threads import one_blas_thread
from deltarule.checking import repair
from deltarule.checking.hints import HINT_OF_KIND, validate_hint
from deltarule.checking.mistakes.evidence import GradientEvidence, Hypothesis
from deltarule.checking.mistakes.network_matching import Like
from deltarule.checking.notes import Note
from deltarule.checking.user_code.callables import Code
from deltarule.errors import BadInput


@dataclass(frozen=True, eq=False)
class Context:
    """What is known about the code: network, samples and hyperparameters.

    like             the network that the code implements, with its data
    samples          the possible numbers of samples
    own_hypotheses   hypotheses for this kind of code alone
    is_layer         the code is a layer, and its loss an output times an upstream gradient
    seconds          how long corrections are tried
    others, shorter  the same code for another upstream gradient, and for a sample less, to try corrections
    """

    like: Like | None = None
    samples: tuple[int, ...] = ()
    learning_rate: float | None = None
    momentum: float = 0.0
    own_hypotheses: Callable[[GradientEvidence], Iterator[Hypothesis]] = lambda evidence: iter(())
    is_layer: bool = False
    seconds: float = 0.0
    others: Sequence[Callable[[], Code]] = ()
    shorter: Sequence[Callable[[], Code]] = ()

    @property
    def subject(self) -> str:
        return "the output of forward" if self.is_layer else "the loss"

    @property
    def constant_note(self) -> Note:
        return Note("constant", subject=self.subject, moved="input is" if self.is_layer else "parameters are")


def seconds_to_repair(seconds: float | None, hint: int) -> float:
    """How long corrections are tried: not at all where the hint hides all that they say."""
    validate_hint(hint)
    if seconds is None:
        seconds = repair.SECONDS
    if not seconds >= 0:
        raise BadInput(f"seconds is {seconds!r}; give 0 or a number above it")
    return seconds if hint >= HINT_OF_KIND else 0.0


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit BLAS and PyTorch to one thread, which is faster for small operations."""
    from threadpoolctl import threadpool_limits

    with one_blas_thread(), threadpool_limits(1, user_api="openmp"):
        yield
