"""Inferences: tensors of every datatype, outputs, classes, parameters, sequences, compression, errors."""
import json
import urllib.request

import ml_dtypes
import numpy as np
from kind import plain, said

A = np.array([[1, 2, 3, 4]], dtype=np.float32)
B = np.array([[10, 20, 30, -40]], dtype=np.float32)


def add_sub(kind, client, binary=True, **options):
    inputs = [kind.tensor("INPUT0", A, "FP32", binary), kind.tensor("INPUT1", B, "FP32", binary)]
    return client.infer("add_sub", inputs, **options)


def response(kind, answer):
    return answer.get_response() if kind.http else answer.get_response(as_json=True)


def inference(kind, client, results):
    module, http = kind.module, kind.http
    output = kind.output

    answer = add_sub(kind, client, request_id="seven", model_version="1", outputs=[output("OUTPUT1"), output("OUTPUT0")])
    results["both"] = {name: plain(answer.as_numpy(name)) for name in ["OUTPUT0", "OUTPUT1"]}
    said_back = response(kind, answer)
    results["names"] = [said_back["id"], said_back["model_name"], said_back["model_version"]]
    one = add_sub(kind, client, outputs=[output("OUTPUT1")])
    results["one_output"] = [plain(one.as_numpy("OUTPUT1")), one.as_numpy("OUTPUT0") is None, kind.described(one, "OUTPUT1")]

    parameters = {"text": "a", "whole": 7, "yes": True, "half": 0.5}
    full = {"parameters": parameters, "priority": 1, "timeout": 60_000_000}
    results["with_parameters"] = plain(add_sub(kind, client, **full).as_numpy("OUTPUT0"))
    results["reserved_parameter"] = said(add_sub, kind, client, parameters={"sequence_id": 1})
    results["reserved_header"] = said(add_sub, kind, client, headers={"timeout": "1"})
    results["other_header"] = said(add_sub, kind, client, headers={"my-team": "one"})

    if http:
        results["query"] = plain(add_sub(kind, client, query_params={"team": "one"}).as_numpy("OUTPUT0"))
        results["json"] = plain(add_sub(kind, client, binary=False, outputs=[output("OUTPUT0", binary=False)]).as_numpy("OUTPUT0"))
        mixed = add_sub(kind, client, outputs=[output("OUTPUT0", binary=False), output("OUTPUT1", binary=True)])
        results["mixed"] = [plain(mixed.as_numpy(name)) for name in ["OUTPUT0", "OUTPUT1"]]
        ways = ["gzip", "deflate", None]
        results["compressed"] = [
            plain(add_sub(kind, client, request_compression_algorithm=there, response_compression_algorithm=back).as_numpy("OUTPUT0"))
            for there in ways
            for back in ways
        ]
        by_hand(kind, results)
    else:
        results["compressed"] = [plain(add_sub(kind, client, compression_algorithm=how).as_numpy("OUTPUT0")) for how in ["gzip", "deflate"]]
        results["limited"] = plain(add_sub(kind, client, client_timeout=60).as_numpy("OUTPUT0"))

    wrong = kind.tensor("INPUT0", np.zeros((1, 4), np.int32), "INT32")
    right, other = kind.tensor("INPUT0", A, "FP32"), kind.tensor("INPUT1", B, "FP32")
    results["errors"] = {
        "unknown_model": said(client.infer, "nobody", [right]),
        "unknown_version": said(client.infer, "add_sub", [right, other], model_version="7"),
        "wrong_datatype": said(client.infer, "add_sub", [wrong, other]),
        "twice": said(client.infer, "add_sub", [right, right]),
        "missing_input": said(client.infer, "add_sub", [right]),
        "unknown_output": said(client.infer, "add_sub", [right, other], outputs=[output("NOTHING")]),
        "metadata": said(client.get_model_metadata, "nobody"),
        "load": said(client.load_model, "nobody"),
        "statistics": said(client.get_inference_statistics, "nobody"),
    }
    longer = module.InferInput("INPUT0", [1, 9], "FP32")
    longer.set_shape([1, 4]).set_data_from_numpy(A)
    results["reshaped"] = [longer.name(), longer.datatype(), list(longer.shape()), output("OUTPUT0").name()]


def by_hand(kind, results):
    """Bodies that the client makes and reads, sent by another; and the generate extension, which it does not have."""
    client = kind.module.InferenceServerClient
    url = f"http://{kind.address}/v2/models/"

    def post(path, body, headers={}):
        return urllib.request.urlopen(urllib.request.Request(url + path, body, headers))

    inputs = [kind.tensor("INPUT", np.array([[5]], np.int32), "INT32")]
    options = {"request_id": "mine", "sequence_id": 77, "sequence_start": True, "sequence_end": True, "priority": 1, "timeout": 60_000_000}
    body, length = client.generate_request_body(inputs, outputs=[kind.output("OUTPUT")], parameters={"mine": 1}, **options)
    headers = {"Inference-Header-Content-Length": str(length), "Accept-Encoding": "gzip"}
    with post("sums/infer", body, headers) as answer:
        length = answer.headers["Inference-Header-Content-Length"]
        encoding = answer.headers["Content-Encoding"]
        read = client.parse_response_body(answer.read(), verbose=False, header_length=int(length), content_encoding=encoding)
    results["by_hand"] = [plain(read.as_numpy("OUTPUT")), read.get_response()["id"], encoding]
    values = json.dumps({"INPUT0": A[0].tolist(), "INPUT1": B[0].tolist()}).encode()
    with post("add_sub/generate", values) as answer:
        results["generated"] = json.load(answer)
    with post("add_sub/generate_stream", values) as answer:
        results["generated_events"] = [answer.headers["Content-Type"], [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]]


ARRAYS = {
    "BOOL": np.array([[True, False]]),
    "INT8": np.array([[-128, 127]], np.int8),
    "INT16": np.array([[-32768, 32767]], np.int16),
    "INT32": np.array([[-(2**31), 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), 2**63 - 1]], np.int64),
    "UINT8": np.array([[0, 255]], np.uint8),
    "UINT16": np.array([[0, 2**16 - 1]], np.uint16),
    "UINT32": np.array([[0, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[2**53 + 1, 2**64 - 1]], np.uint64),
    "FP16": np.array([[0.5, 65504]], np.float16),
    "BF16": np.array([[0.5, -1.0]], ml_dtypes.bfloat16),
    "FP32": np.array([[0.1, -1e38]], np.float32),
    "FP64": np.array([[0.1, -1e308]], np.float64),
    "BYTES": np.array([["Grüße".encode(), b"", b"\0\n"]], dtype=object),
}
NO_JSON = ["FP16", "BF16"]


def tensors(kind, client, results):
    def same(dtype, array, **how):
        model = f"identity_{dtype}"
        outputs = [kind.output("OUTPUT0", **how)]
        back = client.infer(model, [kind.tensor("INPUT0", array, dtype, **how)], outputs=outputs).as_numpy("OUTPUT0")
        if dtype == "BYTES" and how:  # strings, where they came as JSON
            back = np.array([[value.encode() if isinstance(value, str) else value for value in back[0]]], dtype=object)
        return bool(np.array_equal(back, array)) and back.shape == array.shape

    results["dtypes"] = [dtype for dtype, array in ARRAYS.items() if not same(dtype, array)]
    if kind.http:
        results["dtypes_json"] = [dtype for dtype, array in ARRAYS.items() if dtype not in NO_JSON and not same(dtype, array, binary=False)]
        half = [kind.tensor("INPUT0", ARRAYS["FP16"], "FP16")]
        results["half_json"] = said(client.infer, "identity_FP16", half, outputs=[kind.output("OUTPUT0", binary=False)])
    large = np.arange(1_100_000, dtype=np.float32).reshape(1, -1)
    results["large"] = same("FP32", large)  # above 4 MiB, where gRPC clients stop unless they are told otherwise
    results["empty"] = same("FP32", np.zeros((1, 0), np.float32))

    rows = kind.tensor("X", np.array([[1, 0], [0, 1]], np.float32), "FP32")
    scores = client.infer("classifier", [rows]).as_numpy("SCORES")
    classes = client.infer("classifier", [rows], outputs=[kind.output("SCORES", class_count=2)]).as_numpy("SCORES")
    labels = ["cat", "dog", "bird"]
    expected = [f"{row[i]:.6f}:{i}:{labels[i]}" for row in scores for i in np.argsort(-row)[:2]]
    results["classes"] = [plain(classes) == expected, list(classes.shape)]


def sequences(kind, client, results):
    def step(model, sequence, value, **flags):
        inputs = [kind.tensor("INPUT", np.array([[value]], np.int32), "INT32")]
        answer = client.infer(model, inputs, sequence_id=sequence, **flags)
        return [plain(answer.as_numpy(name))[0] for name in ("OUTPUT", "CORRID_SEEN")]

    start, end = {"sequence_start": True}, {"sequence_end": True}
    largest = 2**63 - 1  # over gRPC the client has nothing above
    results["numbered"] = [step("sums", largest, 11, **start), step("sums", 2, 100, **start), step("sums", largest, 7), step("sums", 2, 1, **end)]
    results["ended"] = step("sums", largest, 1, **end)[0]
    results["named"] = [step("named_sums", "audio-7", 4, **start), step("named_sums", "audio-7", 5, **end)]
    results["without_start"] = said(step, "sums", 99, 1)
