import numpy as np
import pytest
from playground_examples import decode

import deltarule
from deltarule.playground.widget import answer


def test_command_and_refusal(session):
    reply, buffers = answer(session, {"id": 7, "name": "step", "table": {"updates": 2}})
    assert (reply, buffers) == ({"id": 7, "result": None}, [])
    reply, _ = answer(session, {"id": 8, "name": "step", "table": {"updates": 0}})
    assert reply["id"] == 8 and reply["refused"].startswith("updates is 0")


def test_frame_is_sent_once(session):
    reply, [frame] = answer(session, {"id": 1, "name": "frame", "table": {}})
    header, arrays = decode(frame)
    np.testing.assert_array_equal(arrays["theta"], session.workbench.moment.state.theta[0].astype(np.float32))
    seen = [header["last_step"], header["version"], 0]
    assert answer(session, {"id": 2, "name": "frame", "table": {"seen": seen}}) == ({"id": 2, "same": True}, [])
    session.command("step", {})
    assert answer(session, {"id": 3, "name": "frame", "table": {"seen": seen}})[1]


def test_widget_module():
    anywidget = pytest.importorskip("anywidget")
    widget = deltarule.play("xor")
    try:
        assert isinstance(widget, anywidget.AnyWidget)
        assert "import " not in "\n".join(line for line in widget._esm.splitlines() if line.startswith("import"))
        assert "export default { render }" in widget._esm
        assert widget.session.workbench.moment.dataset.name == "xor"
    finally:
        widget.session.close()
