"""Files of weights for tests: those that PyTorch wrote, in `torch_files`, and those that are written here."""

import json
from pathlib import Path

import numpy as np

FILES = Path(__file__).with_name("torch_files")


def write_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """float32, in the order of their names, as the format's own library writes them."""
    header, start = {}, 0
    for name in sorted(arrays):
        header[name] = {
            "dtype": "F32",
            "shape": list(arrays[name].shape),
            "data_offsets": [start, start := start + arrays[name].nbytes],
        }
    text = json.dumps(header).encode()
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(arrays[name].tobytes() for name in sorted(arrays))
    )
    return path
