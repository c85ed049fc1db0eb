"""Triton's own client against a running server: does everything that it can, and prints what came back as JSON.

Usage: triton_client.py http|grpc HOST:PORT MODEL_FILE
"""
import base64
import importlib
import json
import sys
import threading

import numpy as np

protocol, address, model_file = sys.argv[1:]
module = importlib.import_module(f"tritonclient.{protocol}")
from tritonclient.utils import InferenceServerException  # noqa: E402

client = module.InferenceServerClient(address)
http = protocol == "http"
results = {}


def as_json(answer):
    """gRPC's messages by the names of the protocol, HTTP's answers as they are."""
    if http:
        return answer
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(answer, preserving_proto_field_name=True)


def tensor(name, array, dtype, **how):
    given = module.InferInput(name, list(array.shape), dtype)
    given.set_data_from_numpy(array, **(how if http else {}))
    return given


def output(name, binary=True, class_count=0):
    return module.InferRequestedOutput(name, **({"binary_data": binary} if http else {}), class_count=class_count)


def plain(array):
    if array.dtype == np.object_:
        return [value.decode() if isinstance(value, bytes) else value for value in array.flatten().tolist()]
    return array.flatten().tolist()


def error(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except InferenceServerException as thrown:
        return {"status": thrown.status(), "message": thrown.message()}
    return None


def add_sub(**options):
    a = np.array([[1, 2, 3, 4]], dtype=np.float32)
    b = np.array([[10, 20, 30, -40]], dtype=np.float32)
    binary = options.pop("binary", True)
    inputs = [tensor("INPUT0", a, "FP32", binary_data=binary), tensor("INPUT1", b, "FP32", binary_data=binary)]
    answer = client.infer("add_sub", inputs, **options)
    return answer


# Health and metadata.
results["live"] = client.is_server_live()
results["ready"] = client.is_server_ready()
results["model_ready"] = [client.is_model_ready("add_sub"), client.is_model_ready("add_sub", "1"), client.is_model_ready("add_sub", "2")]
results["server"] = as_json(client.get_server_metadata())
results["metadata"] = as_json(client.get_model_metadata("add_sub"))
config = as_json(client.get_model_config("add_sub"))
results["config"] = config if http else config["config"]

# Inference.
answer = add_sub(request_id="seven", outputs=[output("OUTPUT1"), output("OUTPUT0")])
results["both"] = {name: plain(answer.as_numpy(name)) for name in ["OUTPUT0", "OUTPUT1"]}
results["id"] = answer.get_response()["id"] if http else answer.get_response().id
answer = add_sub(outputs=[output("OUTPUT1")])
results["one_output"] = [plain(answer.as_numpy("OUTPUT1")), answer.as_numpy("OUTPUT0") is None]
if http:
    answer = add_sub(binary=False, outputs=[output("OUTPUT0", binary=False)])
    results["json"] = plain(answer.as_numpy("OUTPUT0"))
    mixed = add_sub(outputs=[output("OUTPUT0", binary=False), output("OUTPUT1", binary=True)])
    results["mixed"] = [plain(mixed.as_numpy(name)) for name in ["OUTPUT0", "OUTPUT1"]]
    results["compressed"] = {
        f"{there} {back}": plain(add_sub(request_compression_algorithm=there, response_compression_algorithm=back).as_numpy("OUTPUT0"))
        for there in ["gzip", "deflate", None]
        for back in ["gzip", "deflate", None]
    }
    raw = client.generate_request_body([tensor("INPUT0", np.ones((1, 4), np.float32), "FP32"), tensor("INPUT1", np.ones((1, 4), np.float32), "FP32")])
    results["generated_body"] = isinstance(raw[0], bytes)
else:
    results["compressed"] = {how: plain(add_sub(compression_algorithm=how).as_numpy("OUTPUT0")) for how in ["gzip", "deflate"]}

arrays = {
    "BOOL": np.array([[True, False]]),
    "UINT8": np.array([[0, 255]], np.uint8),
    "INT16": np.array([[-32768, 32767]], np.int16),
    "UINT32": np.array([[0, 2**32 - 1]], np.uint32),
    "INT64": np.array([[-(2**63), 2**63 - 1]], np.int64),
    "UINT64": np.array([[2**53 + 1, 2**64 - 1]], np.uint64),
    "FP16": np.array([[0.5, 65504]], np.float16),
    "FP32": np.array([[0.1, -1e38]], np.float32),
    "FP64": np.array([[0.1, -1e308]], np.float64),
    "BYTES": np.array([["Grüße", ""]], dtype=object),
}
results["dtypes"] = {}
for dtype, array in arrays.items():
    sent = np.char.encode(array.astype(str), "utf-8").astype(object) if dtype == "BYTES" else array
    back = client.infer(f"identity_{dtype}", [tensor("INPUT0", sent, dtype)]).as_numpy("OUTPUT0")
    results["dtypes"][dtype] = bool(np.array_equal(back, sent)) and back.shape == sent.shape

scores = client.infer("classifier", [tensor("X", np.array([[1, 0], [0, 1]], np.float32), "FP32")]).as_numpy("SCORES")
classes = client.infer(
    "classifier", [tensor("X", np.array([[1, 0], [0, 1]], np.float32), "FP32")], outputs=[output("SCORES", class_count=2)]
).as_numpy("SCORES")
labels = ["cat", "dog", "bird"]
results["classes"] = plain(classes)
results["classes_expected"] = [f"{row[i]:.6f}:{i}:{labels[i]}" for row in scores for i in np.argsort(-row)[:2]]
results["classes_shape"] = list(classes.shape)

large = np.arange(3_000_000, dtype=np.float32).reshape(1, -1)
results["large"] = bool(np.array_equal(client.infer("identity_FP32", [tensor("INPUT0", large, "FP32")]).as_numpy("OUTPUT0"), large))

# Asynchronous: HTTP by greenlets, gRPC by callbacks.
if http:
    pool = module.InferenceServerClient(address, concurrency=8)
    pending = [pool.async_infer("identity_INT64", [tensor("INPUT0", np.array([[n]], np.int64), "INT64")]) for n in range(16)]
    results["async"] = [int(request.get_result().as_numpy("OUTPUT0")[0][0]) for request in pending]
    pool.close()
else:
    done, seen = threading.Semaphore(0), {}

    def keep(n):
        def callback(result, error):
            seen[n] = int(result.as_numpy("OUTPUT0")[0][0]) if error is None else str(error)
            done.release()

        return callback

    for n in range(16):
        client.async_infer("identity_INT64", [tensor("INPUT0", np.array([[n]], np.int64), "INT64")], keep(n))
    for n in range(16):
        done.acquire()
    results["async"] = [seen[n] for n in range(16)]

    streamed = []

    def take(result, error):
        streamed.append(int(result.as_numpy("OUTPUT0")[0][0]) if error is None else str(error))
        done.release()

    client.start_stream(take)
    for n in range(4):
        client.async_stream_infer("identity_INT64", [tensor("INPUT0", np.array([[n]], np.int64), "INT64")])
    for n in range(4):
        done.acquire()
    client.stop_stream()
    results["streamed"] = streamed

# Model control.
index = as_json(client.get_model_repository_index())
results["index"] = index if http else index["models"]
client.unload_model("add_sub")
results["after_unload"] = [client.is_model_ready("add_sub"), error(add_sub)]
client.load_model("add_sub")
results["after_load"] = plain(add_sub().as_numpy("OUTPUT0"))
client.load_model("uploaded", config=json.dumps({"backend": "onnxruntime", "max_batch_size": 0}), files={"file:1/model.onnx": open(model_file, "rb").read()})
results["uploaded"] = client.is_model_ready("uploaded")
client.unload_model("uploaded")

# Statistics.
stats = as_json(client.get_inference_statistics("identity_INT64"))["model_stats"][0]
results["statistics"] = {key: int(stats[key]) for key in ["inference_count", "execution_count"]}
results["statistics"]["success"] = int(stats["inference_stats"]["success"]["count"])

# Errors.
wrong = tensor("INPUT0", np.zeros((1, 4), np.int32), "INT32")
right = tensor("INPUT0", np.zeros((1, 4), np.float32), "FP32")
other = tensor("INPUT1", np.zeros((1, 4), np.float32), "FP32")
results["errors"] = {
    "unknown_model": error(client.infer, "nobody", [right]),
    "wrong_datatype": error(client.infer, "add_sub", [wrong, other]),
    "twice": error(client.infer, "add_sub", [right, right]),
    "missing_input": error(client.infer, "add_sub", [right]),
    "unknown_output": error(client.infer, "add_sub", [right, other], outputs=[output("NOTHING")]),
    "metadata": error(client.get_model_metadata, "nobody"),
    "load": error(client.load_model, "nobody"),
    "statistics": error(client.get_inference_statistics, "nobody"),
}

# Settings and shared memory, which the client can ask for without the server's machine.
results["trace"] = "trace_level" in str(as_json(client.get_trace_settings()))
results["log"] = "log_verbose_level" in str(as_json(client.get_log_settings()))

import tritonclient.utils.shared_memory as shm  # noqa: E402

values = np.array([[5, 6]], np.float32)
region = shm.create_shared_memory_region("both", "/nereid_test_both", values.nbytes * 2)
shm.set_shared_memory_region(region, [values])
register = error(client.register_system_shared_memory, "both", "/nereid_test_both", values.nbytes * 2)
if register is None:
    given = module.InferInput("INPUT0", [1, 2], "FP32")
    given.set_shared_memory("both", values.nbytes)
    wanted = module.InferRequestedOutput("OUTPUT0")
    wanted.set_shared_memory("both", values.nbytes, offset=values.nbytes)
    client.infer("identity_FP32", [given], outputs=[wanted])
    results["shared_memory"] = plain(shm.get_contents_as_numpy(region, np.float32, [1, 2], offset=values.nbytes))
    client.unregister_system_shared_memory("both")
else:
    results["shared_memory"] = register
shm.destroy_shared_memory_region(region)

client.close()
print(json.dumps(results))
