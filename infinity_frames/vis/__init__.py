"""Plots, previews, overlays and videos; frames in, matplotlib figures or paths of videos out."""

import infinity_frames.vis.backend  # noqa: F401 (before any other import of matplotlib)

# isort: split
from infinity_frames.data import read_results as summarize_batch_results_as_dataframe
from infinity_frames.vis.annotators import (
    Annotator,
    BoxAnnotator,
    CuboidAnnotator,
    KeypointAnnotator,
    MaskAnnotator,
    RepCountAnnotator,
    SkeletonAnnotator,
    TextAnnotator,
)
from infinity_frames.vis.compare import compare, visualize_videos
from infinity_frames.vis.display import display_video
from infinity_frames.vis.effects import visualize_effect, visualize_joint
from infinity_frames.vis.experiments import (
    visualize_breakpoints,
    visualize_comparison,
    visualize_contrast,
    visualize_search,
    visualize_sensitivity,
    visualize_slices,
)
from infinity_frames.vis.frame_labels import Annotation, FrameLabels, Keypoint, Labels, decode_rle
from infinity_frames.vis.frames import get_subdirectories
from infinity_frames.vis.gaps import visualize_gaps
from infinity_frames.vis.grid import visualize_all_labels, visualize_timeseries
from infinity_frames.vis.labeled_video import draw_labels
from infinity_frames.vis.parameters import visualize_batch_results, visualize_job_params
from infinity_frames.vis.previews import show, view_previews
from infinity_frames.vis.style import set_theme

__all__ = [
    "Annotation",
    "Annotator",
    "BoxAnnotator",
    "CuboidAnnotator",
    "FrameLabels",
    "Keypoint",
    "KeypointAnnotator",
    "Labels",
    "MaskAnnotator",
    "RepCountAnnotator",
    "SkeletonAnnotator",
    "TextAnnotator",
    "compare",
    "decode_rle",
    "display_video",
    "draw_labels",
    "get_subdirectories",
    "set_theme",
    "show",
    "summarize_batch_results_as_dataframe",
    "view_previews",
    "visualize_all_labels",
    "visualize_batch_results",
    "visualize_breakpoints",
    "visualize_comparison",
    "visualize_contrast",
    "visualize_effect",
    "visualize_gaps",
    "visualize_job_params",
    "visualize_joint",
    "visualize_search",
    "visualize_sensitivity",
    "visualize_slices",
    "visualize_timeseries",
    "visualize_videos",
]
