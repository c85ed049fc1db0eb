"""Tensors in shared memory, and the refusals of memory on GPUs."""
import base64
import os

import numpy as np
import tritonclient.utils.shared_memory as shm
from kind import plain, said
from tritonclient.utils import serialize_byte_tensor, serialized_byte_size


def shared_memory(kind, client, results):
    name = f"nereid_test_{os.getpid()}_{kind.name.replace('.', '_')}"
    values = np.array([[5, 6]], np.float32)
    words = np.array([[b"one", b"", b"three"]], dtype=object)
    size = values.nbytes
    words_size = serialized_byte_size(serialize_byte_tensor(words))
    region = shm.create_shared_memory_region(name, f"/{name}", 4096, create_only=True)
    try:
        shm.set_shared_memory_region(region, [values], offset=256)
        shm.set_shared_memory_region(region, [serialize_byte_tensor(words)], offset=512)
        client.register_system_shared_memory(name, f"/{name}", 2048, offset=256)
        status = client.get_system_shared_memory_status()
        by_name = client.get_system_shared_memory_status(name)
        regions = [status, by_name] if kind.http else [list(one["regions"].values()) for one in (status, by_name)]
        results["regions"] = [[[one["key"] == f"/{name}", int(one["offset"]), int(one["byte_size"])] for one in listed] for listed in regions]

        def exchange(model, dtype, shape, at, length, to):
            given = kind.module.InferInput("INPUT0", shape, dtype)
            given.set_shared_memory(name, length, offset=at)
            wanted = kind.output("OUTPUT0")
            wanted.set_shared_memory(name, length, offset=to)
            answer = client.infer(model, [given], outputs=[wanted])
            return kind.described(answer, "OUTPUT0")

        shapes = [exchange("identity_FP32", "FP32", [1, 2], 0, size, 1024), exchange("identity_BYTES", "BYTES", [1, 3], 256, words_size, 1280)]
        results["shared"] = [
            shapes,
            plain(shm.get_contents_as_numpy(region, np.float32, [1, 2], offset=256 + 1024)),
            plain(shm.get_contents_as_numpy(region, np.object_, [1, 3], offset=256 + 1280)),
        ]
        small = kind.output("OUTPUT0")
        small.set_shared_memory(name, size - 4)
        given = kind.tensor("INPUT0", values, "FP32")
        beyond = kind.module.InferInput("INPUT0", [1, 2], "FP32")
        beyond.set_shared_memory(name, size, offset=2044)
        unknown = kind.module.InferInput("INPUT0", [1, 2], "FP32")
        unknown.set_shared_memory("nobody", size)
        results["shared_errors"] = {
            "twice": said(client.register_system_shared_memory, name, f"/{name}", 16),
            "no_object": said(client.register_system_shared_memory, "other", f"/{name}_other", 16),
            "too_large": said(client.register_system_shared_memory, "other", f"/{name}", 8192),
            "status": said(client.get_system_shared_memory_status, "nobody"),
            "small": said(client.infer, "identity_FP32", [given], outputs=[small]),
            "beyond": said(client.infer, "identity_FP32", [beyond]),
            "unknown": said(client.infer, "identity_FP32", [unknown]),
        }
        small.unset_shared_memory()
        results["unset"] = plain(client.infer("identity_FP32", [given], outputs=[small]).as_numpy("OUTPUT0"))
        client.unregister_system_shared_memory(name)
        client.register_system_shared_memory(name, f"/{name}", 16)
        client.unregister_system_shared_memory()
        status = client.get_system_shared_memory_status()
        results["unregistered"] = status if kind.http else list(status.get("regions", {}))
    finally:
        shm.destroy_shared_memory_region(region)
    results["mapped"] = shm.mapped_shared_memory_regions()

    handle = base64.b64encode(b"handle")
    status = client.get_cuda_shared_memory_status(region_name="")
    results["cuda"] = [status if kind.http else list(status.get("regions", {})), said(client.register_cuda_shared_memory, "gpu", handle, 0, 16)]
    client.unregister_cuda_shared_memory("gpu")
    client.unregister_cuda_shared_memory()
