"""Drives ensembles of a running server with Triton's own client and prints what came back as JSON.

Usage: ensembles.py http|grpc HOST:PORT
"""
import importlib
import json
import sys

import numpy as np

protocol, address = sys.argv[1:]
module = importlib.import_module(f"tritonclient.{protocol}")
from tritonclient.utils import InferenceServerException  # noqa: E402

client = module.InferenceServerClient(address)
http = protocol == "http"


def as_json(answer):
    if http:
        return answer
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(answer, preserving_proto_field_name=True)


def infer(model, **arrays):
    inputs = []
    for name, array in arrays.items():
        given = module.InferInput(name, list(array.shape), {"uint8": "UINT8", "float32": "FP32"}[str(array.dtype)])
        given.set_data_from_numpy(array)
        inputs.append(given)
    return client.infer(model, inputs)


image = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
features = (image.astype(np.float32) * np.float32(1 / 255)).reshape(1, 48)
scores = infer("image", IMAGE=image).as_numpy("SCORES")
row = np.array([[1, 2, 3]], np.float32)
five = infer("five", X=row)
config = as_json(client.get_model_config("five"))
config = config if http else config["config"]
stats = as_json(client.get_inference_statistics("five"))["model_stats"][0]


def error(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except InferenceServerException as thrown:
        return thrown.message()
    return None


print(
    json.dumps(
        {
            "ready": [client.is_server_ready(), client.is_model_ready("image")],
            "scores": bool(np.array_equal(scores, infer("classify", X=features).as_numpy("SCORES"))) and list(scores.shape) == [1, 5],
            "five": five.as_numpy("Y").tolist(),
            "platform": as_json(client.get_model_metadata("five"))["platform"],
            "steps": [step["model_name"] for step in config["ensemble_scheduling"]["step"]],
            "counts": [int(stats["inference_count"]), int(stats["execution_count"]), int(stats["inference_stats"]["success"]["count"])],
            "index": sorted(
                row["name"]
                for row in (as_json(client.get_model_repository_index()) if http else as_json(client.get_model_repository_index())["models"])
                if row.get("state") == "READY"
            ),
            "misfit": error(infer, "image", IMAGE=np.zeros((2, 4, 4, 3), np.uint8)),
        }
    )
)
