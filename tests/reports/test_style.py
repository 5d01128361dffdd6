import itertools
import re
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.reports import style

# What remains of linear RGB for those who lack a kind of cone.
DICHROMATS = {
    # Machado, Oliveira & Fernandes 2009, severity 1
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    # Viénot, Brettel & Mollon 1999, for sRGB
    "protanopia 1999": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia 1999": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
WHITE = [0.95047, 1.0, 1.08883]
words = st.text("abcdefgh $…", max_size=30).map(lambda text: " ".join(text.split()))


def linear_rgb(color):
    """#rrggbb as light: the inverse of sRGB's curve."""
    channels = np.array([int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Linear RGB as CIELAB."""
    relative = np.array(TO_XYZ) @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def ciede2000(one, other):
    """The color difference of Sharma, Wu & Dalal 2005, their equations (2) to (22)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn, hue = (h2 - h1 + 180) % 360 - 180, (h1 + h2) / 2
    if c1 * c2 == 0:
        turn, hue = 0.0, h1 + h2
    elif abs(h1 - h2) > 180:
        hue += 180 if h1 + h2 < 360 else -180
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = sum(
        weight * np.cos(np.radians(times * hue + shift))
        for weight, times, shift in ((1, 0, 0), (-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    )
    weight_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    weight_c, weight_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    bend = np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    rotation = -2 * bend * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    parts = (l2 - l1) / weight_l, (c2 - c1) / weight_c, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / weight_h
    return np.sqrt(sum(part**2 for part in parts) + rotation * parts[1] * parts[2])


@pytest.mark.parametrize("seen", [np.eye(3), *DICHROMATS.values()], ids=["all cones", *DICHROMATS])
def test_any_two_colors_can_be_distinguished(seen):
    for one, other in itertools.combinations(style.COLORS, 2):
        assert ciede2000(*(lab(np.array(seen) @ linear_rgb(color)) for color in (one, other))) >= 15, (one, other)


def test_every_color_stands_out_from_white_paper():
    for color in (*style.COLORS, style.GRAY):
        luminance = np.array(TO_XYZ)[1] @ linear_rgb(color)
        assert 1.05 / (luminance + 0.05) >= 3, color  # WCAG 2.1, criterion 1.4.11: graphical objects


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_number_can_be_read_on_every_color_of_a_scale(is_signed):
    from matplotlib.colors import to_hex

    colors = style.colormap(is_signed)
    for color in (*map(colors, np.linspace(0, 1, 257)), colors.get_bad()):
        luminances = sorted(np.array(TO_XYZ)[1] @ linear_rgb(one) for one in (to_hex(color), style.ink_on(color[:3])))
        assert (luminances[1] + 0.05) / (luminances[0] + 0.05) >= 4.5, to_hex(color)  # WCAG 2.1, criterion 1.4.3


def test_32_lines_differ_and_neighbors_in_both_color_and_dashes():
    looks = [style.line(index) for index in range(33)]
    assert len({str(look) for look in looks}) == 32
    assert looks[32] == looks[0]
    for one, next_one in itertools.pairwise(looks[: len(style.COLORS)]):
        assert one["color"] != next_one["color"]
        assert one["linestyle"] != next_one["linestyle"]


def test_settings_of_the_user_are_set_aside_and_come_back():
    import matplotlib

    with matplotlib.rc_context({"text.usetex": True, "font.size": 3, "lines.marker": "x"}):
        with style.style_context():
            assert not matplotlib.rcParams["text.usetex"]
            assert matplotlib.rcParams["font.size"] == 9
            assert matplotlib.rcParams["lines.marker"] == "None"
        assert matplotlib.rcParams["text.usetex"]
        assert matplotlib.rcParams["font.size"] == 3


@pytest.mark.parametrize(
    ("module", "later"),
    [
        ("reports.figures", {"matplotlib"}),
        ("reports.summaries", {"matplotlib", "rich", "scipy"}),
        ("training.train", {"IPython", "deltarule.reports.notebook"}),
    ],
)
def test_heavy_modules_are_loaded_when_they_are_needed(module, later):
    code = f"import sys, deltarule.{module}; print({later} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "set()"


def test_threads_that_draw_leave_settings_and_warnings_as_they_were():
    """Both are the process's: of two that overlap the second one would put back what the first has set."""
    import matplotlib

    before = dict(matplotlib.rcParams), list(warnings.filters)

    def draw(place):
        time.sleep(place / 100)
        with style.style_context():
            time.sleep(0.05)
            return matplotlib.rcParams["font.size"]

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(draw, range(4))) == {9}
    assert (dict(matplotlib.rcParams), list(warnings.filters)) == before


@given(words, st.integers(30, 100))
@example("mean income of households", 60)
@example("x" * 41, 50)
def test_fitted_text_has_room_and_is_as_it_is_where_it_fits(name, points):
    shown = style.fit_text(name, points, 8).replace(r"\$", "$")
    assert style.text_width(shown, 8) <= points
    assert re.fullmatch(".*".join(map(re.escape, shown.split("…"))), name) or "…" in name
    if style.text_width(name, 8) <= points:
        assert shown == name


@given(st.text("abcd", min_size=5, max_size=12), st.lists(st.text("efgh", min_size=1, max_size=30), unique=True))
def test_names_that_differ_behind_a_long_start_are_distinguished(start, ends):
    """Where they differ is shown, whatever they have in common before."""
    shown = [style.fit_text(8 * start + end, 80, 8) for end in ends]
    for one, other in itertools.combinations(range(len(ends)), 2):
        alike = len(ends[one]) > 6 or len(ends[other]) > 6  # what differs farther on than there is room
        assert alike or shown[one] != shown[other]
