"""Health, metadata, the repository, statistics, and the settings of traces and logs."""
import json

import numpy as np
from inference import add_sub
from kind import plain, said
from tritonclient.utils import InferenceServerException


def control(kind, client, results, model_file):
    http = kind.http
    results["live"] = [client.is_server_live(), client.is_server_ready()]
    results["model_ready"] = [client.is_model_ready("add_sub", *version) for version in [[], ["1"], ["2"]]]
    results["server"] = client.get_server_metadata()
    results["metadata"] = client.get_model_metadata("add_sub", "1")
    config = client.get_model_config("add_sub", model_version="1")
    results["config"] = config if http else config["config"]

    index = client.get_model_repository_index()
    results["index"] = index if http else index["models"]
    client.unload_model("add_sub")
    results["after_unload"] = [client.is_model_ready("add_sub"), said(add_sub, kind, client)]
    client.load_model("add_sub")
    results["after_load"] = plain(add_sub(kind, client).as_numpy("OUTPUT0"))
    with open(model_file, "rb") as model:
        client.load_model("uploaded", config=json.dumps({"backend": "onnxruntime", "max_batch_size": 3}), files={"file:1/model.onnx": model.read()})
    config = client.get_model_config("uploaded")
    results["uploaded"] = [client.is_model_ready("uploaded"), (config if http else config["config"])["max_batch_size"]]
    client.unload_model("uploaded")
    client.load_model("chain")
    together = [client.is_model_ready("chain"), client.is_model_ready("link")]
    client.unload_model("chain", unload_dependents=True)
    results["dependents"] = [*together, client.is_model_ready("chain"), client.is_model_ready("link")]
    results["broken_config"] = said(client.load_model, "add_sub", config="{")

    def counts(*of):
        stats = client.get_inference_statistics(*of)["model_stats"]
        of = lambda one: [one.get("inference_count"), one.get("execution_count"), one["inference_stats"]["success"].get("count")]
        return {one["name"]: [int(count or 0) for count in of(one)] for one in stats}  # protobuf's JSON leaves out zeros

    row = kind.tensor("INPUT0", np.ones((1, 2), np.int64), "INT64")
    before = counts("identity_INT64", "1")["identity_INT64"]
    for _ in range(3):
        client.infer("identity_INT64", [row])
    after = counts()  # of all models
    results["counted"] = [now - then for now, then in zip(after["identity_INT64"], before)]
    results["all_counted"] = sorted(after)

    plugins(kind, client, results)


def plugins(kind, client, results):
    """What a plugin adds to a request's headers arrives: `timeout` is one that must not be forwarded."""
    auth = __import__(f"tritonclient.{kind.name}.auth", fromlist=["BasicAuth"]).BasicAuth("who", "secret")
    client.register_plugin(auth)
    results["plugin"] = [client.plugin() is auth, plain(add_sub(kind, client).as_numpy("OUTPUT0"))]
    try:
        client.register_plugin(auth)
    except InferenceServerException as thrown:
        results["plugin_twice"] = thrown.message()
    client.unregister_plugin()

    class Header(__import__(f"tritonclient.{kind.name}", fromlist=["InferenceServerClientPlugin"]).InferenceServerClientPlugin):
        def __call__(self, request):
            request.headers["timeout"] = "1"

    client.register_plugin(Header())
    results["plugin_header"] = said(add_sub, kind, client)
    client.unregister_plugin()


def settings(kind, client, results):
    def values(answer):
        """By name, whatever the protocol wraps them in; numbers as such."""
        if kind.http:
            return answer
        return {name: one.get("value") or next(iter(one.values()), None) for name, one in answer["settings"].items()}

    changed = values(client.update_trace_settings(model_name="add_sub", settings={"trace_level": ["TIMESTAMPS"], "trace_rate": "7"}))
    seen = values(client.get_trace_settings(model_name="add_sub"))
    back = values(client.update_trace_settings(model_name="add_sub", settings={"trace_level": None, "trace_rate": None}))
    results["trace"] = [[*one["trace_level"], *np.atleast_1d(one["trace_rate"]).tolist()] for one in (changed, seen, back)]
    results["trace_back"] = back == values(client.get_trace_settings())
    results["trace_errors"] = [said(client.update_trace_settings, settings={"trace_rate": "x"}), said(client.get_trace_settings, model_name="nobody")]

    before = values(client.get_log_settings())
    changed = values(client.update_log_settings({"log_verbose_level": 2, "log_info": True, "log_format": "ISO8601"}))
    results["log"] = [changed["log_verbose_level"], changed["log_info"], changed["log_format"]]
    results["log_seen"] = values(client.get_log_settings()) == changed
    client.update_log_settings({name: before[name] for name in ["log_verbose_level", "log_info", "log_format"]})
    results["log_back"] = values(client.get_log_settings()) == before
    results["log_file"] = said(client.update_log_settings, {"log_file": "elsewhere"})
