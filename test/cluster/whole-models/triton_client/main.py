"""Triton's own clients against a running server: do everything that they can, and print what came back as JSON, by client.

Usage: main.py HTTP_HOST:PORT GRPC_HOST:PORT MODEL_FILE
"""
import contextlib
import io
import json
import sys

from control import control, settings
from inference import inference, sequences, tensors
from kind import Kind, unused
from memory import shared_memory
from waiting import many, patience

http_address, grpc_address, model_file = sys.argv[1:]
results = {}
for name in ["http", "http.aio", "grpc", "grpc.aio"]:
    kind = Kind(name, http_address if name.startswith("http") else grpc_address)
    results[name] = one = {}
    client = kind.connect()
    inference(kind, client, one)
    tensors(kind, client, one)
    sequences(kind, client, one)
    # From here on with all that may go along with a call.
    client.extras = {"headers": {"x-team": "one"}, "query_params": {"team": "one", "more": [1, 2]}, "client_timeout": 60}
    control(kind, client, one, model_file)
    settings(kind, client, one)
    shared_memory(kind, client, one)
    many(kind, client, one)
    patience(kind, one)
    with contextlib.redirect_stdout(io.StringIO()) as spoken:
        talking = kind.connect(verbose=True)
        talking.is_server_live()
        talking.close()
    one["verbose"] = len(spoken.getvalue()) > 0
    client.close()
results["unused"] = unused()
print(json.dumps(results))
