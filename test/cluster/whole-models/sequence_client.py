"""Triton's own client with sequences: prints what came back as JSON.

Usage: sequence_client.py http|grpc HOST:PORT
"""
import importlib
import json
import queue
import sys

import numpy as np

protocol, address = sys.argv[1:]
module = importlib.import_module(f"tritonclient.{protocol}")
from tritonclient.utils import InferenceServerException  # noqa: E402

client = module.InferenceServerClient(address)


def inputs(value):
    given = module.InferInput("INPUT", [1, 1], "INT32")
    given.set_data_from_numpy(np.array([[value]], dtype=np.int32))
    return [given]


def step(model, sequence, value, start=False, end=False):
    answer = client.infer(model, inputs(value), sequence_id=sequence, sequence_start=start, sequence_end=end)
    return [answer.as_numpy(name).flatten().tolist()[0] for name in ("OUTPUT", "CORRID_SEEN")]


def error(*args, **flags):
    try:
        step(*args, **flags)
    except InferenceServerException as thrown:
        return thrown.message()
    return None


results = {}
for model in ("direct", "oldest"):
    sums = [step(model, 1001, 11, start=True), step(model, 1002, 100, start=True), step(model, 1001, 7), step(model, 1002, 1, end=True)]
    results[model] = [*sums, step(model, 1001, 3, end=True)]
named = [step("named", "audio-7", 4, start=True), step("named", "audio-7", 5, end=True)]
results["named"] = [[total, seen.decode() if isinstance(seen, bytes) else seen] for total, seen in named]
results["errors"] = {
    "no start": error("direct", 2001, 1),
    "no id": error("direct", 0, 1, start=True),
    "wrong kind": error("direct", "text", 1, start=True),
    "ended": error("oldest", 1001, 1),
}

if protocol == "grpc":
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for place in range(10):
        for sequence in (31, 32, 33):
            client.async_stream_infer(
                "oldest" if sequence == 33 else "direct",
                inputs(sequence * (place + 1)),
                request_id=f"{sequence}",
                sequence_id=sequence,
                sequence_start=place == 0,
                sequence_end=place == 9,
            )
    sums = {}
    for _ in range(30):
        result, failure = answers.get(timeout=60)
        if failure is not None:
            raise failure
        sums.setdefault(result.get_response().id, []).append(int(result.as_numpy("OUTPUT")[0][0]))
    client.stop_stream()
    results["streamed"] = sums

print(json.dumps(results))
