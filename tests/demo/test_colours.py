"""Colours of types can be told apart, also by the colour-blind; they and every ink can be read on the page."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest

import demo.launch

THEMES = dict(zip(("light", "dark"), re.findall(r"\{\s+(--ink-1.*?)\}", demo.launch.CSS, re.DOTALL), strict=True))
PAPER = {"light": "#ffffff", "dark": "#0b0f19"}
# What people without cones of one kind see, in linear RGB (Machado et al. 2009, severity 1).
SIGHT = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])
WHITE = XYZ.sum(1)


def colours(theme, of):
    return re.findall(rf"--{of}-\d: (#[0-9a-f]{{6}})", THEMES[theme])


def linear(colour):
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB."""
    x, y, z = np.cbrt(np.maximum(XYZ @ np.clip(rgb, 0, 1) / WHITE, 0.0089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", THEMES)
def test_any_two_colours_differ_by_far_more_than_an_eye_needs(theme, sight):
    seen = [lab(SIGHT[sight] @ linear(colour)) for colour in colours(theme, "type")]
    assert len(seen) == 6
    assert min(np.linalg.norm(colour - other) for colour, other in combinations(seen, 2)) > 18  # 2 can be seen


def luminance(colour):
    return XYZ[1] @ linear(colour) + 0.05


@pytest.mark.parametrize("of", ["type", "ink"])
@pytest.mark.parametrize("theme", THEMES)
def test_text_in_any_of_them_can_be_read(theme, of):
    ratios = [luminance(colour) / luminance(PAPER[theme]) for colour in colours(theme, of)]
    assert len(ratios) == 6
    assert all(max(ratio, 1 / ratio) >= 4.5 for ratio in ratios), ratios  # WCAG 2 AA


@pytest.mark.parametrize("theme", THEMES)
def test_ink_grows_with_every_layer_by_at_least_a_sixth(theme):
    inks = [luminance(colour) / luminance(PAPER[theme]) for colour in colours(theme, "ink")]
    contrast = [max(ratio, 1 / ratio) for ratio in inks]
    assert all(later / earlier > 7 / 6 for earlier, later in pairwise(contrast)), contrast
