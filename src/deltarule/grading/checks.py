"""A check of an assignment: its table, its request, and what the solution gives."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deltarule.errors import BadInput
from deltarule.grading import worker
from deltarule.grading.returned_arrays import named_arrays

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A table of an assignment that allows no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NetworkSection(Section):
    """The network whose loss is differentiated: with it, mistakes within it are named."""

    sizes: list[int] = Field(description="the numbers of inputs, hidden units and outputs, as [2, 3, 1]")
    hidden: str = Field("sigmoid", description="the activation of the hidden layers")
    output: str = Field("identity", description="the activation of the output layer")


class CheckSection(Section):
    """A `[[checks]]` table of an assignment."""

    part: Literal["forward", "loss", "backward", "update"] = Field(description="forward, loss, backward or update")
    call: str = Field(description="a call of a student's function, as 'forward(x, W)'")
    returns: list[str] | dict[str, str] = Field(min_length=1, description="names of arrays, or expressions by name")
    points: Points | list[Points] = Field(1.0, description="points for each array, a number or one for each, from 0 up")
    name: str = Field("", description="what students read, if not the call")
    setup: str = Field("", description="Python that runs before the call, as 'layer = Linear(W, b)'")
    gradient_of: str = Field("", description="the expression that is differentiated, as 'loss(W, b)'")
    by: list[str] = Field([], description="the parameters of gradient_of, one for each array that is returned")
    upstream: str = Field("", description="the name of the upstream gradient, where gradient_of is an array")
    follow_on: bool = Field(False, description="true gives points for what is right after the student's own arrays")
    network: NetworkSection | None = Field(None, description="a table of sizes, hidden and output, for data x and y")
    tolerance: Positive | None = Field(None, description="a share of an array's largest entry, above 0")
    time_limit_seconds: Positive | None = Field(None, description="a number of seconds above 0")


class Check(CheckSection):
    """A check with what the solution gives for it.

    values      the teacher's values that the call uses, by name
    functions   the names that a submission has to define for it
    expected    the solution's results, by the name of the array
    max_points  by the name of the array
    like        the `Network` whose loss is differentiated, on the data x and y; or None
    """

    tolerance: float
    time_limit_seconds: float
    values: dict[str, Any]
    functions: list[str]
    expected: dict[str, Any]
    max_points: dict[str, float]
    like: Any

    def request(self) -> dict[str, Any]:
        request = self.model_dump(include={"call", "setup", "returns", "functions"})
        max_bytes = max(10 * sum(array.nbytes for array in self.expected.values()), 10_000)
        return request | {"values": self.values, "max_bytes": max_bytes}


def solution_arrays(check: Check, names: Mapping[str, Any]) -> dict[str, Any]:
    """What the functions of a solution return for a check."""
    # Packing and unpacking makes a copy: an update in place must not change the teacher's own arrays.
    request = worker.unpack(worker.pack(check.request())) | {"max_bytes": 2**40}
    answer = worker.answer(dict(names), request)
    if "error" in answer:
        raise BadInput(f"the solution fails in {check.call}: {': '.join(answer['error'][2:])}; correct it")
    return named_arrays(answer["result"], list(check.returns))
