"""What models come to in ONNX Runtime, for inputs that are made up here.

Usage: model_outputs.py CASES   with CASES as JSON: [{"file": MODEL, "inputs": {NAME: SHAPE}}, …]
Prints for each case its inputs and outputs, with the bytes in base64.
"""
import base64
import json
import sys

import numpy as np
import onnxruntime
from tritonclient.utils import np_to_triton_dtype

KINDS = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def described(name, array):
    array = np.ascontiguousarray(array)
    data = base64.b64encode(array.tobytes()).decode()
    return {"name": name, "dtype": np_to_triton_dtype(array.dtype), "shape": list(array.shape), "data": data}


def computed(case, random):
    session = onnxruntime.InferenceSession(case["file"], providers=["CPUExecutionProvider"])
    inputs = {}
    for value in session.get_inputs():
        kind, shape = KINDS[value.type], case["inputs"][value.name]
        inputs[value.name] = random.normal(0, 0.5, shape).astype(kind) if kind == np.float32 else random.integers(0, 256, shape).astype(kind)
    outputs = session.run(None, inputs)
    names = [value.name for value in session.get_outputs()]
    return {
        "inputs": [described(name, array) for name, array in inputs.items()],
        "outputs": [described(name, array) for name, array in zip(names, outputs)],
    }


random = np.random.default_rng(20261123)
print(json.dumps([computed(case, random) for case in json.loads(sys.argv[1])]))
