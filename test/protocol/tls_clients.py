"""Triton's own clients over TLS, with a key that a plugin adds: prints what came of it as JSON.

Usage: tls_clients.py HTTP_HOST:PORT GRPC_HOST:PORT CERTIFICATE KEY API_KEY
"""
import asyncio
import json
import ssl
import sys

import grpc
import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

http_address, grpc_address, cert, key, api_key = sys.argv[1:]
FILES = {"root_certificates": cert, "private_key": key, "certificate_chain": cert}


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def trusting():
    return ssl.create_default_context(cafile=cert)


def credentials():
    return grpc.ssl_channel_credentials(contents(cert), contents(key), contents(cert))


# Made within the loop that they run in.
CONNECTIONS = {
    "http": (tritonclient.http, lambda: {"ssl": True, "ssl_options": {"ca_certs": cert}}),
    "http with a context": (tritonclient.http, lambda: {"ssl": True, "ssl_context_factory": trusting}),
    "http whatever the name": (tritonclient.http, lambda: {"ssl": True, "insecure": True, "ssl_options": {"ca_certs": cert}}),
    "http that trusts others": (tritonclient.http, lambda: {"ssl": True}),
    "http.aio": (tritonclient.http.aio, lambda: {"ssl": True, "ssl_context": trusting()}),
    "grpc": (tritonclient.grpc, lambda: {"ssl": True, **FILES}),
    "grpc with credentials": (tritonclient.grpc, lambda: {"creds": credentials()}),
    "grpc.aio": (tritonclient.grpc.aio, lambda: {"ssl": True, **FILES}),
    "grpc.aio with credentials": (tritonclient.grpc.aio, lambda: {"creds": credentials()}),
}


async def outcome(call):
    """What it gives, or what it says."""
    try:
        answer = call()
        return await answer if asyncio.iscoroutine(answer) else answer
    except InferenceServerException as thrown:
        return [thrown.status(), thrown.message()]


async def through(module, options):
    address = http_address if "http" in module.__name__ else grpc_address
    client = module.InferenceServerClient(address, **options)

    class Key(module.InferenceServerClientPlugin):
        def __call__(self, request):
            request.headers["authorization"] = f"Bearer {api_key}"

    inputs = [module.InferInput(name, [4], "FP32") for name in ("INPUT0", "INPUT1")]
    for given in inputs:
        given.set_data_from_numpy(np.array([1, 2, 3, 4], np.float32))
    infer = lambda: client.infer("add_sub", inputs)
    results = {"live": await outcome(client.is_server_live), "without_key": await outcome(infer)}
    client.register_plugin(Key())
    results["with_key"] = (await outcome(infer)).as_numpy("OUTPUT0").tolist()
    restricted = lambda **options: client.get_model_metadata("add_sub", **options)
    results["restricted"] = await outcome(restricted)
    # Triton's header over gRPC is the key with a prefix.
    name = "team" if "http" in module.__name__ else "triton-grpc-protocol-team"
    opened = await outcome(lambda: restricted(headers={name: "blue"}))
    results["with_header"] = opened["name"] if isinstance(opened, dict) else opened.name
    await outcome(client.close)
    return results


async def every():
    results = {}
    for name, (module, options) in CONNECTIONS.items():
        try:
            results[name] = await through(module, options())
        except ssl.SSLError as thrown:
            results[name] = thrown.reason
    return results


print(json.dumps(asyncio.run(every())))
