"""The face chart's painting: skin, eyes, brows, nose, lips, ears, neck and hair, one after the other on one canvas."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from persona.catalog.colour import from_linear, lab_to_srgb, srgb_to_lab, to_linear
from persona.makeup.analysis import Shape
from persona.makeup.chart_canvas import Canvas, Line, mask_of, smooth
from persona.makeup.chart_points import CHIN, TOP, Doubles, half_width, table, unwarp, warp
from persona.makeup.chart_relief import height, light
from persona.makeup.face import LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_EYE, Bytes, Floats
from persona.makeup.monk import MONK

# hair and eyes that go with each tone, of those that do
_HAIR = (
    "#8a6a4a", "#7a5a40", "#4a3527", "#3c2a20", "#30221b", "#281d18", "#221a17", "#1f1917", "#1b1716", "#191615",
)  # fmt: skip
_IRIS = (
    "#7d97a6", "#7a8f86", "#7f7a55", "#6d5233", "#5d4027", "#4f3420", "#452d1d", "#3a261a", "#332219", "#2e2019",
)  # fmt: skip
SIDE = 1024  # pixels that everything is drawn at; smaller charts are made from it
UNIT, MIDDLE = 0.226 * SIDE, np.array([0.5, 0.438]) * SIDE  # pixels between the eyes, and where their middle lies
_COARSE = 2  # pixels a step of the relief
_BACKGROUND = np.array([0.905, 0.897, 0.888], np.float32)


@dataclass(frozen=True)
class Colours:
    """sRGB, 0 to 1, float32 (3,) each."""

    skin: Floats
    lips: Floats
    hair: Floats
    iris: Floats
    white: Floats

    @classmethod
    def of(cls, monk: int) -> Colours:
        """What goes with a Monk tone."""
        skin = _rgb(MONK[monk - 1])
        lightness, a, b = srgb_to_lab(np.round(skin * 255))
        depth = np.clip((95 - lightness) / 80, 0, 1)  # 0 light to 1 dark
        lips = lab_to_srgb(
            [lightness - 24 * (1 - depth) ** 0.8 + 9 * depth**2, a + 20 - 9 * depth, b * 0.45 + 8 - 2 * depth]
        )
        white = np.array([0.93, 0.915, 0.905]) * (1 - 0.13 * depth)
        return cls(
            skin=skin,
            lips=np.asarray(lips, np.float32) / 255,
            hair=_rgb(_HAIR[monk - 1]),
            iris=_rgb(_IRIS[monk - 1]),
            white=np.asarray(white, np.float32),
        )

    def dark(self, share: float) -> Floats:
        """The skin in shadow: warmer and darker. share: of its light that is left."""
        return np.asarray(self.skin ** np.array([1.0, 1.12, 1.2]) * share, np.float32)


def landmarks(shape: Shape) -> Doubles:
    """The 468 landmarks on the full-size canvas: (468, 3), x, y and z in its pixels, smaller z is nearer."""
    flat = table()
    return np.concatenate([_pixels(flat, shape), -1.2 * UNIT * height(flat[:, 0], flat[:, 1])[:, None]], 1)


def paint(shape: Shape, monk: int) -> Bytes:
    """Draw the bare face: uint8 (SIDE, SIDE, 3), sRGB."""
    colours = Colours.of(monk)
    dice = np.random.default_rng(20_240_101)  # the same hairs on every face
    canvas = Canvas(np.tile(_BACKGROUND, (SIDE, SIDE, 1)))
    _neck(canvas, shape, colours)
    _ears(canvas, shape, colours)
    canvas.fill(_hair_outline(shape), colours.hair, blur=2.0)
    _face(canvas, shape, colours, dice)
    _nose(canvas, shape, colours)
    _mouth(canvas, shape, colours, dice)
    for sign in (-1, 1):
        _eye(canvas, shape, colours, sign, dice)
        _brow(canvas, shape, colours, sign, dice)
    _hair(canvas, shape, colours, dice)
    return np.asarray(np.clip(canvas.picture * 255 + 0.5, 0, 255), np.uint8)


def _f(*values: float) -> Floats:
    return np.array(values, np.float32)


def _rgb(text: str) -> Floats:
    return np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)], np.float32) / 255


def _pixels(points: ArrayLike, shape: Shape) -> Line:
    """Points of the oval face as they lie on a face of this shape, in pixels."""
    return np.asarray(warp(np.asarray(points, np.float64), shape) * UNIT + MIDDLE)


def _linear(srgb: ArrayLike) -> Floats:
    return np.asarray(to_linear(np.asarray(srgb, np.float32)), np.float32)


_TO_SRGB = from_linear(np.linspace(0, 1, 4096)).astype(np.float32)  # of linear light in steps of 1/4095


def _encoded(linear: Floats) -> Floats:
    return np.asarray(_TO_SRGB[(np.clip(linear, 0, 1) * 4095 + 0.5).astype(np.int16)])


def _outline(out: float = 0.0, top: float = TOP, bottom: float = CHIN, count: int = 160) -> Doubles:
    """The oval's outline, (n, 2), `out` beyond it, from the bottom left up and over to the bottom right."""
    angle = np.linspace(np.pi, 0, count)
    y = (top + bottom) / 2 + (bottom - top) / 2 * np.cos(angle)
    right = np.stack([half_width(y), y], 1)
    normal = np.stack([-np.gradient(right[:, 1]), np.gradient(right[:, 0])], 1)
    normal /= -np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    right = right + out * normal
    return np.concatenate([(right * [-1, 1])[::-1], right])


def _hair_outline(shape: Shape) -> Line:
    """The hair, drawn back over the ears' tops: what stands out above and beside the face."""
    y = np.array([0.22, 0.10, -0.05, -0.3, -0.6, -0.9, -1.17, -1.36, -1.47, -1.50])
    x = np.array([1.00, 1.075, 1.13, 1.165, 1.15, 1.06, 0.88, 0.62, 0.32, 0.0])
    side = np.stack([x, y], 1)
    return smooth(_pixels(np.concatenate([side * [-1, 1], side[-2::-1]]), shape), 200)


def _neck(canvas: Canvas, shape: Shape, colours: Colours) -> None:
    chin = float(_pixels([[0.0, CHIN]], shape)[0, 1])
    jaw = float(_pixels([[float(half_width(1.2)), 1.2]], shape)[0, 0] - MIDDLE[0])
    wide = 0.45 * jaw + 0.30 * UNIT
    xs = np.array([1.04, 1.0, 0.985, 1.0, 1.06, 1.22, 1.60, 2.2, 3.0]) * wide
    ys = np.array([-0.75, -0.3, 0.05, 0.24, 0.38, 0.49, 0.58, 0.65, 0.73]) * UNIT + chin
    half = smooth(np.stack([xs, ys], 1), 120)
    half = np.concatenate([half, [[half[-1, 0], SIDE + 400.0]]])
    outline = np.concatenate([half * [-1, 1], half[::-1]]) + np.array([MIDDLE[0], 0])
    mask, at = mask_of([outline], SIDE, 1.2)
    y, x = np.mgrid[at].astype(np.float32)
    across, down = np.abs(x - MIDDLE[0] + 0.05 * UNIT) / wide, (y - chin) / UNIT
    round_ = 1.0 - 0.40 * np.clip(across, 0, 1.1) ** 2.6 * np.clip(1.1 - 1.3 * np.maximum(down - 0.2, 0), 0.25, 1)
    shadow = 1 - 0.46 * np.exp(-0.5 * (np.maximum(down + 0.02, 0) / 0.17) ** 2) * np.exp(-0.5 * (across / 0.95) ** 4)
    tendon = np.exp(-0.5 * ((across - 0.62 + 0.55 * down) / 0.10) ** 2) * np.clip(down * 3, 0, 1)
    canvas.lay(mask, at, _encoded(_shaded(_linear(colours.skin), 0.94 * round_ * shadow * (1 + 0.05 * tendon))), 1.0)


def _shaded(albedo: Floats, level: Floats) -> Floats:
    """Linear light from skin: what is darker is redder, since light comes back out of the skin there."""
    return np.asarray(albedo * level[..., None] ** np.array([0.80, 1.05, 1.20], np.float32), np.float32)


def _ears(canvas: Canvas, shape: Shape, colours: Colours) -> None:
    for sign in (-1, 1):
        ear = [(1.00, -0.02), (1.09, -0.10), (1.17, -0.06), (1.205, 0.06), (1.185, 0.24), (1.135, 0.40), (1.095, 0.54),
               (1.035, 0.57), (0.97, 0.45)]  # fmt: skip
        base = 0.80 if sign > 0 else 0.90
        skin = _encoded(_shaded(_linear(colours.skin) * _f(1.0, 0.93, 0.92), np.full((1, 1), base, np.float32)))[0, 0]
        dark = _encoded(_shaded(_linear(colours.skin), np.full((1, 1), 0.42, np.float32)))[0, 0]
        canvas.fill(smooth(_pixels(np.array(ear) * [sign, 1], shape), 80, closed=True), skin, blur=1.2)
        rim = np.array([(1.10, 0.02), (1.15, 0.0), (1.168, 0.08), (1.155, 0.22), (1.12, 0.36), (1.085, 0.44)])
        canvas.strokes([smooth(_pixels(rim * [sign, 1], shape), 40)], dark, 4, 0.55, 2.2)
        inner = np.array([(1.055, 0.34), (1.095, 0.28), (1.115, 0.16), (1.075, 0.10)])
        canvas.fill(smooth(_pixels(inner * [sign, 1], shape), 40, closed=True), dark, 0.60, 3.5)


def _face(canvas: Canvas, shape: Shape, colours: Colours, dice: np.random.Generator) -> None:
    """Skin and lips under light."""
    mask, at = mask_of([_pixels(_outline(), shape)], SIDE, 1.6)
    rows, columns = (np.arange(part.start, part.stop, _COARSE) + 0.5 for part in at)
    grid = np.stack(np.meshgrid(columns, rows), -1)
    flat = unwarp((grid - MIDDLE) / UNIT, shape)
    coarse = mask[::_COARSE, ::_COARSE] > 0.5
    lit = light(flat, UNIT / _COARSE, coarse)
    size = (mask.shape[1], mask.shape[0])
    level = cv2.resize(lit.diffuse, size, interpolation=cv2.INTER_CUBIC)
    shine = cv2.resize(lit.specular, size, interpolation=cv2.INTER_CUBIC)
    level = level * (1 + _grain(dice, mask.shape))
    blood = cv2.resize(_blood(flat), size, interpolation=cv2.INTER_LINEAR)
    albedo = _linear(colours.skin) * (1 - blood[..., None] * _f(0.0, 0.13, 0.12))
    _colour_lips(albedo, at, shape, colours, dice)
    pale = float(_linear(colours.skin).mean())  # there is no room for light on pale skin: its volume is in the shade
    level = np.where(level > 1, 1 + (level - 1) * (1 - 0.75 * pale), level ** (1 + 0.35 * pale)).astype(np.float32)
    skin = _shaded(albedo, np.maximum(level, 0.02)) + (0.06 * (1 - 0.55 * pale) * shine)[..., None]
    canvas.lay(mask, at, _encoded(_knee(skin)), 1.0)


def _knee(linear: Floats) -> Floats:
    """Highlights rolled off, so that none is burnt out."""
    over = np.maximum(linear - 0.80, 0)
    return np.asarray(np.minimum(linear, 0.80) + over / (1 + over / 0.19), np.float32)


def _grain(dice: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Pores: noise of two sizes, about one per cent strong."""
    noise = dice.standard_normal(shape, np.float32)
    fine, wide = cv2.GaussianBlur(noise, (0, 0), 0.9), cv2.GaussianBlur(noise, (0, 0), 5)
    return np.asarray(0.012 * fine / fine.std() + 0.006 * wide / wide.std(), np.float32)


def _blood(flat: Doubles) -> Floats:
    """Where skin is redder: cheeks, the nose's tip, round the eyes, chin."""
    x, y = np.abs(flat[..., 0]).astype(np.float32), flat[..., 1].astype(np.float32)
    spots = ((0.62, 0.50, 0.22, 0.18, 0.75), (0.0, 0.57, 0.16, 0.13, 0.75), (0.5, 0.15, 0.2, 0.06, 0.5),
             (0.5, -0.15, 0.2, 0.06, 0.5), (0.0, 1.6, 0.22, 0.14, 0.4))  # fmt: skip
    parts = (s * np.exp(-0.5 * (((x - a) / w) ** 2 + ((y - b) / h) ** 2)) for a, b, w, h, s in spots)
    return np.asarray(sum(parts), np.float32)


def _lips(shape: Shape) -> Line:
    return smooth(landmarks(shape)[list(LIPS_OUTER), :2], 160, closed=True)


def _colour_lips(
    albedo: Floats, face: tuple[slice, slice], shape: Shape, colours: Colours, dice: np.random.Generator
) -> None:
    """Lips in place of skin, with the fine lines that run across them."""
    mask, at = mask_of([_lips(shape)], SIDE, 2.2)
    part = albedo[at[0].start - face[0].start :, at[1].start - face[1].start :][: mask.shape[0], : mask.shape[1]]
    noise = cv2.GaussianBlur(dice.standard_normal(mask.shape, np.float32), (0, 0), 1.3, sigmaY=9)
    lines = 1 + 0.07 * noise / noise.std()
    part += mask[..., None] * (_linear(colours.lips) * lines[..., None] - part)


def _mouth(canvas: Canvas, shape: Shape, colours: Colours, dice: np.random.Generator) -> None:
    """The line between the lips, their corners, and the light on the lower one."""
    inner = landmarks(shape)[list(LIPS_INNER), :2]
    dark = colours.lips * _f(0.42, 0.30, 0.30)
    line = smooth(np.concatenate([inner[:1], (inner[19:10:-1] + inner[1:10]) / 2, inner[10:11]]), 80)
    canvas.strokes([line], dark, 3, 0.55, 2.2)
    canvas.strokes([line], dark, 2, 0.85, 0.7)
    for x, y in inner[[0, 10]]:
        spot = np.array([[x - 5, y], [x, y - 4], [x + 5, y], [x, y + 4]])
        canvas.fill(spot, dark, 0.5, 3.0)
    gleam = smooth(_pixels([(-0.16, 1.145), (-0.06, 1.135), (0.04, 1.14), (-0.05, 1.165)], shape), 40, closed=True)
    canvas.fill(gleam, (1, 0.96, 0.94), 0.16, 5.0)


def _nose(canvas: Canvas, shape: Shape, colours: Colours) -> None:
    dark = colours.dark(0.34)
    for sign in (-1, 1):
        hole = [(0.055, 0.712), (0.09, 0.688), (0.15, 0.683), (0.185, 0.702), (0.15, 0.718), (0.10, 0.722)]
        canvas.fill(smooth(_pixels(np.array(hole) * [sign, 1], shape), 40, closed=True), dark, 0.75, 2.6)
        wing = [(0.262, 0.545), (0.288, 0.60), (0.280, 0.665), (0.238, 0.712), (0.205, 0.712)]
        canvas.strokes([smooth(_pixels(np.array(wing) * [sign, 1], shape), 40)], colours.dark(0.55), 4, 0.30, 3.0)


def _eye(canvas: Canvas, shape: Shape, colours: Colours, sign: int, dice: np.random.Generator) -> None:
    """White, iris, pupil and light of an eye, the lid's crease and its lashes. sign: -1 the right eye, 1 the left."""
    points = landmarks(shape)[:, :2]
    rim = points[list(RIGHT_EYE if sign < 0 else LEFT_EYE)]
    upper, lower = smooth(np.concatenate([rim[8:], rim[:1]]), 80), smooth(rim[:9], 80)
    opening = np.concatenate([upper, lower])
    mask, at = mask_of([opening], SIDE, 0.9)
    y, x = np.mgrid[at].astype(np.float32)
    middle = _pixels([[0.503 * sign, -0.030]], shape)[0]
    far = np.hypot(x - middle[0], y - middle[1]) / UNIT
    lid = np.interp(x[0], upper[::-sign, 0][:: 1 if upper[::-sign, 0][0] < upper[::-sign, 0][-1] else -1],
                    upper[::-sign, 1][:: 1 if upper[::-sign, 0][0] < upper[::-sign, 0][-1] else -1])  # fmt: skip
    below = (y - lid[None]) / UNIT
    shadow = (
        1
        - 0.50 * np.exp(-np.maximum(below, 0) / 0.035)
        - 0.16 * np.clip(np.abs(x - middle[0]) / UNIT / 0.24, 0, 1) ** 2
    )
    white = colours.white * shadow[..., None]
    eye = _iris(white, x - middle[0], y - middle[1], far, colours, shadow, dice)
    canvas.lay(mask, at, eye, 1.0)
    inner = _pixels(np.array([[0.262, 0.036], [0.285, 0.020], [0.296, 0.037], [0.284, 0.048]]) * [sign, 1], shape)
    canvas.fill(smooth(inner, 30, closed=True), colours.skin * _f(0.92, 0.66, 0.62), 0.75, 1.6)
    canvas.strokes([lower + [0, 1.5]], colours.skin * _f(0.97, 0.80, 0.76), 3, 0.55, 0.8)
    _lid(canvas, points, colours, upper, lower, sign, dice)


def _iris(
    white: Floats, dx: Floats, dy: Floats, far: Floats, colours: Colours, shadow: Floats, dice: np.random.Generator
) -> Floats:
    radius, pupil = 0.106, 0.042
    angle = np.arctan2(dy, dx)
    rays = np.interp(angle.ravel(), np.linspace(-np.pi, np.pi, 97), _ring(dice, 97)).reshape(angle.shape)
    bright = 0.80 + 0.45 * np.clip((dy / UNIT + 0.03) / radius, -0.6, 1) + 0.20 * rays * (far > pupil)
    edge = np.clip((far - 0.76 * radius) / (0.24 * radius), 0, 1)
    iris = colours.iris * (bright * (1 - 0.62 * edge))[..., None] * (0.45 + 0.55 * shadow)[..., None]
    soft = 1.6 / UNIT
    eye = white + np.clip((radius - far) / soft / 2 + 0.5, 0, 1)[..., None] * (iris - white)
    eye += np.clip((pupil - far) / soft / 2 + 0.5, 0, 1)[..., None] * (_f(0.03, 0.028, 0.028) - eye)
    light_at = np.hypot(dx / UNIT + 0.032, (dy / UNIT + 0.036))
    eye += (np.clip((0.019 - light_at) / soft / 2 + 0.5, 0, 1) * 0.92)[..., None] * (1 - eye)
    fill = np.exp(-0.5 * (((dx / UNIT - 0.035) / 0.022) ** 2 + ((dy / UNIT - 0.045) / 0.016) ** 2))
    return np.asarray(eye + 0.12 * fill[..., None] * (1 - eye), np.float32)


def _ring(dice: np.random.Generator, count: int) -> NDArray[np.float64]:
    values = dice.standard_normal(count)
    values[-1] = values[0]
    return values


def _lid(
    canvas: Canvas, points: Line, colours: Colours, upper: Line, lower: Line, sign: int, dice: np.random.Generator
) -> None:
    crease = (247, 30, 29, 27, 28, 56, 190) if sign < 0 else (467, 260, 259, 257, 258, 286, 414)
    fold = smooth(points[list(crease)], 60)
    canvas.strokes([fold[6:]], colours.dark(0.50), 3, 0.42, 3.0)
    canvas.strokes([fold[10:-6]], colours.dark(0.42), 2, 0.42, 1.0)
    lash = _f(0.10, 0.075, 0.065) * 0.6 + 0.25 * colours.hair
    canvas.strokes([upper], lash, 3, 0.80, 0.9)
    canvas.strokes([upper[len(upper) // 2 :]], lash, 4, 0.40, 1.2)
    above, below = _lashes(upper, sign, -1, dice), _lashes(lower[::-1] + [0, 3], sign, 1, dice)
    for part, opacity in ((3, 0.35), (5, 0.35), (7, 0.35)):  # they taper: drawn to a third, two thirds and their end
        canvas.strokes([line[:part] for line in above], lash, 1, opacity)
    canvas.strokes([line[:5] for line in below], lash, 1, 0.20)


def _lashes(rim: Line, sign: int, way: int, dice: np.random.Generator) -> list[Line]:
    """Lashes along a lid that runs from the inner corner outward; way: -1 up, 1 down."""
    lines = []
    for share in np.linspace(0.10, 0.99, 58 if way < 0 else 34):
        root = rim[int(share * (len(rim) - 1))] + dice.normal(0, 0.6, 2)
        length = UNIT * (0.026 + 0.046 * share) * (1 if way < 0 else 0.50) * dice.uniform(0.75, 1.15)
        out = sign * (0.05 + 1.05 * max(0.0, share - 0.32) - 0.35 * max(0.0, 0.32 - share))
        t = np.linspace(0, 1, 7)[:, None]
        lines.append(root + length * np.concatenate([out * t**0.85, way * t * (1 if way > 0 else t**0.35) * 0.85], 1))
    return lines


def _brow(canvas: Canvas, shape: Shape, colours: Colours, sign: int, dice: np.random.Generator) -> None:
    """A brow of single hairs over a soft shade: upright at the inner end, lying outward at the tail."""
    points = landmarks(shape)[:, :2]
    low = smooth(points[[55, 65, 52, 53, 46] if sign < 0 else [285, 295, 282, 283, 276]], 100)
    high = smooth(points[[107, 66, 105, 63, 70] if sign < 0 else [336, 296, 334, 293, 300]], 100)
    tone = 0.75 * colours.hair + 0.25 * colours.dark(0.45)
    canvas.fill(np.concatenate([low, high[::-1]]), tone, 0.44, 5.0)
    for shade, count in ((0.72, 110), (0.95, 110), (1.15, 70)):
        lines = []
        for _ in range(count):
            along, across = dice.uniform(0, 1), dice.beta(1.3, 1.3)
            at = along * 99
            root = low[int(at)] * (1 - across) + high[int(at)] * across
            ahead = low[min(int(at) + 6, 99)] - low[max(int(at) - 6, 0)]
            ahead = ahead / np.linalg.norm(ahead)
            lean = np.interp(along, [0, 0.18, 0.5, 1], [0.95, 0.55, 0.28, 0.10]) - 0.35 * across * (along > 0.3)
            way = ahead * (1 - abs(lean) * 0.5) + np.array([0, -1]) * lean
            length = UNIT * dice.uniform(0.055, 0.095) * np.interp(along, [0, 0.2, 0.8, 1], [0.75, 1, 0.95, 0.7])
            t = np.linspace(-0.35, 0.65, 6)[:, None]
            lines.append(root + length * (t * way + 0.12 * t**2 * np.array([0, 1])))
        canvas.strokes(lines, np.clip(tone * shade, 0, 1), 1, 0.62)


def _hair(canvas: Canvas, shape: Shape, colours: Colours, dice: np.random.Generator) -> None:
    """Hair combed back from the hairline, strand by strand, with the light that lies across it."""
    line = _outline(count=400)
    line = line[line[:, 1] < 0.02]
    pixels = _pixels(line, shape)
    crown = np.array([MIDDLE[0], _pixels([[0, -0.40]], shape)[0, 1]])
    layer = Canvas(canvas.picture.copy())
    for shade, count in ((0.60, 500), (1.0, 700), (1.5, 240), (0.85, 400)):
        lines = []
        for index in dice.integers(0, len(pixels), count):
            root = pixels[index] + dice.normal(0, 1.8, 2)
            away = (root - crown) / np.linalg.norm(root - crown)
            high = np.clip((MIDDLE[1] - root[1]) / UNIT, 0, 1.2) / 1.2
            length = UNIT * dice.uniform(0.10, 0.38) * (0.10 + 0.90 * high)
            way = away * np.array([0.8, 1.0]) + np.array([0, -0.30])
            t = np.linspace(-0.08 * high, 1, 8)[:, None]
            lines.append(root + length * (t * way + 0.10 * t**2 * np.array([-away[0], -0.3])))
        layer.strokes(lines, np.clip(colours.hair * shade, 0, 1), 1, 0.5, 0.5)
    gleam = _pixels(_outline(0.15, count=200), shape)
    gleam = gleam[gleam[:, 1] < MIDDLE[1] - 0.35 * UNIT]
    layer.strokes([gleam], np.clip(colours.hair * 1.6 + 0.06, 0, 1), 16, 0.34, 11)
    inside, at = mask_of([np.concatenate([_hair_outline(shape), _pixels([[0, 0.2]], shape)])], SIDE, 2.2)
    canvas.lay(inside, at, layer.picture[at], 1.0)
