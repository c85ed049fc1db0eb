"""Models with inputs and with what should come out, as a repository and as JSON.

Usage: expected_outputs.py operators REPOSITORY NAME...   ONNX's own test cases of operators, with its own expected outputs
       expected_outputs.py voice MODEL_FILE               a voice detector over made-up sound, computed by ONNX Runtime
"""
import base64
import json
import pathlib
import shutil
import sys

import numpy as np
import onnx
import onnxruntime
from tritonclient.utils import np_to_triton_dtype, serialize_byte_tensor


def described(name, array):
    """A tensor as the protocol has it, its bytes in base64."""
    array = np.asarray(array)
    if array.dtype.kind in "US":
        array = array.astype(object)
    if array.dtype == object:
        array = np.vectorize(lambda value: value.encode() if isinstance(value, str) else value, otypes=[object])(array)
        data = serialize_byte_tensor(array).item() if array.size else b""
    else:
        data = np.ascontiguousarray(array).tobytes()
    dtype = "BYTES" if array.dtype == object else np_to_triton_dtype(array.dtype)
    return {"name": name, "dtype": dtype, "shape": list(array.shape), "data": base64.b64encode(data).decode()}


def tensor_of(file):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(file.read_bytes())
    return onnx.numpy_helper.to_array(tensor)


def operators(repository, names):
    cases = []
    root = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
    for name in names:
        model = onnx.load(root / name / "model.onnx")
        folder = pathlib.Path(repository) / name / "1"
        folder.mkdir(parents=True)
        shutil.copy(root / name / "model.onnx", folder / "model.onnx")
        data = root / name / "test_data_set_0"
        tensors = lambda kind, values: [
            described(value.name, tensor_of(data / f"{kind}_{place}.pb")) for place, value in enumerate(values)
        ]
        cases.append({"model": name, "inputs": tensors("input", model.graph.input), "outputs": tensors("output", model.graph.output)})
    return cases


def voice(model_file):
    """Silence, a tone that swells, noise: 40 pieces of 512 samples at 16 kHz. The state goes from step to step."""
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    time = np.arange(40 * 512) / 16000
    sound = np.sin(2 * np.pi * 180 * time * (1 + 0.1 * np.sin(30 * time))) * np.clip(time - 0.3, 0, 0.6)
    sound[30 * 512 :] += np.random.default_rng(7).normal(0, 0.2, 10 * 512)
    pieces = sound.astype(np.float32).reshape(-1, 1, 512)
    given = {value.name: value for value in session.get_inputs()}
    states = [name for name in given if name not in ("input", "sr")]
    state = {name: np.zeros([size if isinstance(size, int) else 1 for size in given[name].shape], np.float32) for name in states}
    rate = np.array(16000, dtype=np.int64)
    steps = []
    for piece in pieces:
        outputs = session.run(None, {"input": piece, "sr": rate, **state})
        steps.append({"piece": described("input", piece), "probability": float(outputs[0].flatten()[0])})
        state = dict(zip(states, outputs[1:]))
    last = {name: described(name, array) for name, array in state.items()}
    zeros = [described(name, np.zeros_like(array)) for name, array in state.items()]
    return {"steps": steps, "zeros": zeros, "last": last, "carried": [value.name for value in session.get_outputs()][1:]}


kind, *args = sys.argv[1:]
print(json.dumps(operators(args[0], args[1:]) if kind == "operators" else voice(args[0])))
