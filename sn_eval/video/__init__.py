"""Videos, pictures and contact sheets on disk: frames stream in and out, so length costs no memory."""

from sn_eval.video.frames import Frames, to_uint8, upscale
from sn_eval.video.pictures import read_image, save_image
from sn_eval.video.reading import VideoInfo, frames_at, probe, read_video, stream_video, uneven_note
from sn_eval.video.sheets import SHEET_TILES, SheetRow, Strip, contact_sheet, spread
from sn_eval.video.writing import VideoWriter

__all__ = [
    "Frames", "to_uint8", "upscale", "VideoWriter", "VideoInfo", "probe", "stream_video", "read_video", "frames_at",
    "uneven_note", "read_image", "save_image", "SHEET_TILES", "SheetRow", "Strip", "spread",
    "contact_sheet",
]  # fmt: skip
