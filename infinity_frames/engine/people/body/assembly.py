"""From a shaped body to parts: skin, face, hair, clothes; skin beneath cloth is left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from infinity_frames.engine.people.body import face, footwear, garments, hair, patterns
from infinity_frames.engine.people.body.appearance import Appearance
from infinity_frames.engine.people.body.human import human
from infinity_frames.engine.people.body.mesh import Part, keep, mirror
from infinity_frames.engine.people.body.palette import Look, Surface, complexion, look
from infinity_frames.engine.people.body.shape import Figure, template
from infinity_frames.engine.people.skeleton import JOINT_INDEX, JOINTS

__all__ = ["Piece", "assemble", "waist"]

Array = NDArray[np.float64]

FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_HEAD = ("head", "jaw", "left_eye_smplhf", "right_eye_smplhf")
_SHOE_TOP = 0.062  # below which the skin of a shod foot is left out, m
_IN_SOCK = 0.060  # how far above the ankle it is left out beneath a sock, m
_ROOTED = 0.016  # inside the hairline beyond which the scalp is left out, m


@dataclass(frozen=True, eq=False)
class Piece:
    """A named part and how much each joint moves its vertices.

    Parameters
    ----------
    name : str
        ``skin``, ``left_palm``, ``top``, ...
    part : Part
        In the rest pose.
    weights : (N, 55) array
        Rows sum to 1.
    casts : bool
        Whether it casts a shadow.
    """

    name: str
    part: Part
    weights: Array
    casts: bool = True

    @property
    def kind(self) -> str:
        """The name without its side."""
        return self.name.removeprefix("left_").removeprefix("right_")


def assemble(appearance: Appearance, body: Figure) -> list[Piece]:
    """Make all parts of a person in the rest pose.

    Parameters
    ----------
    appearance : Appearance
        Who.
    body : Figure
        Their shape.

    Returns
    -------
    list of Piece
    """
    colors = look(appearance)
    return [
        *_skin(appearance, body, colors),
        *_face(body, colors),
        *_hair(appearance, body, colors),
        *_clothes(appearance, body),
        *_footwear(appearance, body),
    ]


# --- skin ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _regions() -> NDArray[np.str_]:
    """Name of the part that each face of the skin belongs to, without its side, (F,)."""
    skin = human()
    owner = skin.weights[skin.faces].sum(axis=1).argmax(axis=1)
    names = []
    for name in JOINTS:
        part = name.partition("_")[2] or name
        finger = part.rstrip("123")
        region = {"wrist": "palm", "ankle": "foot", "foot": "foot"}.get(part, "skin")
        names.append("head" if name in _HEAD else finger if finger in FINGERS else region)
    out: NDArray[np.str_] = np.array(names)[owner]
    out[skin.masks["lips"][skin.faces].min(axis=1) > 0.5] = "lips"
    return out


def _hidden(appearance: Appearance, body: Figure) -> NDArray[np.bool_]:
    """Faces of the skin that nothing can see, (F,)."""
    skin = human()
    hidden: NDArray[np.bool_] = skin.masks["inside_mouth"][skin.faces].min(axis=1) > 0.5
    for kind in patterns.OUTFITS[appearance.outfit]:
        hidden |= garments.covered(kind)
    if not appearance.hide_shoes:
        hidden |= footwear.foot_faces(_SHOE_TOP * appearance.stature / 1.75, body)
    if appearance.add_socks:
        ankle = float(body.at("left_ankle")[1]) - body.floor
        hidden |= footwear.foot_faces(ankle + _IN_SOCK, body)
    if hair.STYLES[hair.style(appearance)] is not None:
        hidden |= hair.scalp_depth(template().skin)[skin.faces].min(axis=1) > _ROOTED
    return hidden


def _skin(appearance: Appearance, body: Figure, colors: Look) -> list[Piece]:
    skin, hidden = human(), _hidden(appearance, body)
    tint = _tint(appearance, body, colors)
    materials = np.full(len(skin.faces), Surface.SKIN, np.int32)
    whole = Part(body.skin, body.normals, skin.faces, materials, tint)
    left = np.arange(len(skin.faces)) < len(skin.faces) // 2
    pieces = []
    for region in ("skin", "head", "lips", "palm", "foot", *FINGERS):
        here = (_regions() == region) & ~hidden
        both = region in ("skin", "head", "lips")
        sides = {region: here} if both else {f"left_{region}": here & left}
        if not both:
            sides[f"right_{region}"] = here & ~left
        for name, faces in sides.items():
            if faces.any():
                used = np.unique(skin.faces[faces])
                pieces.append(Piece(name, keep(whole, faces), skin.weights[used]))
    return pieces


def _tint(appearance: Appearance, body: Figure, colors: Look) -> Array:
    """Factors on the color of the skin at its vertices, (V, 3)."""
    skin, points = human(), body.skin
    dark = float(np.mean(colors.skin)) < 0.12
    flushed, pale = _spots(body)
    tint = complexion(points, flushed, pale if dark else pale[:0])
    lips = (0.94, 0.70, 0.72) if dark else (0.88, 0.60, 0.60)
    for name, factor in {
        "lips": lips,
        "eyelids": (0.92, 0.84, 0.84),
        "ears": (1.0, 0.88, 0.86),
        "fingernails": (1.10, 1.0, 0.99),
        "toenails": (1.10, 1.0, 0.99),
    }.items():
        tint *= 1.0 + skin.masks[name][:, None] * (np.array(factor) - 1.0)
    tone, grown = np.array(colors.skin), np.array(colors.hair)
    places = template().skin
    if hair.STYLES[hair.style(appearance)] is not None:
        roots = 0.85 * patterns.smooth_step(hair.scalp_depth(places), -0.003, 0.006)
        tint += roots[:, None] * (0.8 * grown / tone - tint)
    density, _ = face.beard(appearance)
    if density:
        # Stubble: short hair with skin between.
        stubble = density * patterns.smooth_step(hair.beard_depth(places), -0.004, 0.014)
        stubble *= 1.0 - skin.masks["ears"]
        shade = 0.55 * grown / tone + 0.45 * np.array([0.55, 0.55, 0.62])
        tint += stubble[:, None] * (np.minimum(shade, 0.9) - tint)
    return np.asarray(np.clip(tint, 0.0, None))


def _spots(body: Figure) -> tuple[Array, Array]:
    """Where the skin is redder and where lighter than elsewhere: centers and radii, (K, 4)."""
    eye = body.at("left_eye_smplhf")
    nose = _nose(body)
    flushed = [
        (eye[0] + 0.008, eye[1] - 0.042, eye[2] - 0.006, 0.022),
        (*nose, 0.014),
    ]
    for joint, offset, radius in (("knee", 0.045, 0.05), ("elbow", -0.03, 0.045)):
        flushed.append((*(body.at(f"left_{joint}") + np.array([0.0, 0.0, offset])), radius))
    wrist, middle = body.at("left_wrist"), body.at("left_middle1")
    along = middle - wrist
    across = body.at("left_index1") - body.at("left_pinky1")
    back = np.cross(across, along)
    back /= np.linalg.norm(back)
    knuckles = [body.at(f"left_{finger}{k}") + 0.008 * back for finger in FINGERS for k in (1, 2)]
    flushed += [(*knuckle, 0.010) for knuckle in knuckles]
    pale = [(*(wrist + share * along - 0.022 * back), 0.035) for share in (0.35, 0.75, 1.1)]
    flip = np.array([-1.0, 1.0, 1.0, 1.0])
    both = [
        np.vstack([spots, (spots * flip)[np.abs(spots[:, 0]) > 0.02]])
        for spots in (np.array(flushed), np.array(pale))
    ]
    return both[0], both[1]


def _nose(body: Figure) -> Array:
    """Tip of the nose, m."""
    eye = body.at("left_eye_smplhf")
    x, y, _ = body.skin.T
    near = np.flatnonzero((np.abs(x) < 0.008) & (np.abs(y - eye[1] + 0.035) < 0.03))
    return np.asarray(body.skin[near[body.skin[near, 2].argmax()]])


# --- face and hair -------------------------------------------------------------------------------


def _rigid(name: str, joint: str, part: Part, casts: bool = True) -> Piece:
    weights = np.zeros((len(part.vertices), len(JOINTS)))
    weights[:, JOINT_INDEX[joint]] = 1.0
    return Piece(name, part, weights, casts)


def _face(body: Figure, colors: Look) -> list[Piece]:
    eye, lashes = face.eyeball(body, colors), face.lashes(body, colors)
    sheet = face.brow_sheet()
    dark = 0.62 * np.array(colors.hair) + 0.12 * np.array(colors.skin)
    tones = np.tile(dark, (sheet.rows.shape[0], 1))
    brows = face.on_sheet(sheet, body, 0.0011, tones, Surface.PAINT)
    pieces = [Piece("brow", brows, np.asarray(sheet.rows @ human().weights), casts=False)]
    for side, flip in (("left", lambda part: part), ("right", mirror)):
        pieces.append(_rigid(f"{side}_eye", f"{side}_eye_smplhf", flip(eye)))
        pieces.append(_rigid(f"{side}_lids", "head", flip(lashes), casts=False))
    return pieces


def _hair(appearance: Appearance, body: Figure, colors: Look) -> list[Piece]:
    pieces = []
    shell = hair.hair_shell(appearance, body, colors)
    if shell is not None:
        pieces.append(Piece("hair", *shell))
    free = hair.locks(appearance, body)
    if free is not None:
        pieces.append(_rigid("locks", "head", free))
    _, thick = face.beard(appearance)
    if thick:
        shell = hair.beard_shell(appearance, body, colors, thick)
        pieces.append(Piece("beard", *shell, casts=False))
    return pieces


# --- clothes -------------------------------------------------------------------------------------

_MATERIALS = {
    "top": (Surface.TOP, Surface.ACCENT, Surface.TOP_BAND, Surface.TOP),
    "bottom": (Surface.BOTTOM, Surface.BOTTOM, Surface.BOTTOM_BAND, Surface.BOTTOM),
}
_STRIPED = 0.5  # share of the wardrobes whose clothes have stripes


def _clothes(appearance: Appearance, body: Figure) -> list[Piece]:
    top, bottom = patterns.OUTFITS[appearance.outfit]
    draws = appearance.draws("stripes").uniform(size=10)
    pieces = []
    seed = 7 * appearance.identity + appearance.outfit
    for name, cloth in (
        ("bottom", garments.dress(bottom, body, seed, under=top)),
        ("top", garments.dress(top, body, seed, over=bottom)),
    ):
        surfaces = list(_MATERIALS[name])
        if draws[2 * appearance.outfit + (name == "top")] > _STRIPED:
            surfaces[patterns.STRIPE] = surfaces[patterns.CLOTH]
        elif name == "bottom":
            surfaces[patterns.STRIPE] = Surface.ACCENT
        materials = np.array(surfaces, np.int32)[cloth.tags]
        part = Part(cloth.vertices, cloth.normals, cloth.faces, materials, cloth.colors)
        pieces.append(Piece(name, part, np.asarray(cloth.rows @ human().weights)))
    return pieces


def _footwear(appearance: Appearance, body: Figure) -> list[Piece]:
    pieces = []
    if not appearance.hide_shoes:
        for name, part in footwear.shoes(body).items():
            pieces.append(Piece(name, part, footwear.shoe_weights(part, body)))
    if appearance.add_socks:
        for name, part in footwear.socks(body).items():
            pieces.append(Piece(name, part, footwear.sock_weights(part, body)))
    return pieces


def waist(body: Figure) -> float:
    """Circumference of the skin's waist in a horizontal plane, as a tape measures it, m."""
    skin = human()
    height = 0.5 * float(body.at("spine1")[1] + body.at("spine2")[1])
    trunk = [JOINT_INDEX[name] for name in ("pelvis", "spine1", "spine2", "spine3")]
    own = skin.weights[:, trunk].sum(axis=1) > 0.5
    edges = skin.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    edges = edges[own[edges].all(axis=1)]
    a, b = body.skin[edges[:, 0]], body.skin[edges[:, 1]]
    crossing = (a[:, 1] > height) != (b[:, 1] > height)
    a, b = a[crossing], b[crossing]
    share = ((height - a[:, 1]) / (b[:, 1] - a[:, 1]))[:, None]
    hull = ConvexHull((a + share * (b - a))[:, [0, 2]])
    return float(hull.area)  # in two dimensions the length of the outline
