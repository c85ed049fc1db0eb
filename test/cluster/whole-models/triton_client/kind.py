"""One of the four clients that tritonclient has (http, http.aio, grpc, grpc.aio), as if it were synchronous; and which of their methods and options were used."""
import asyncio
import functools
import importlib
import inspect
from copy import copy

import numpy as np
from tritonclient.utils import InferenceServerException

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)

WATCHED = ["InferenceServerClient", "InferInput", "InferRequestedOutput", "InferResult"]
used = {}


def watch(cls):
    """Has every public method of the class note the options that it is given."""
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if name.startswith("_") and name != "__init__" or hasattr(function, "watched"):
            continue
        signature = inspect.signature(function)
        of = used.setdefault(f"{cls.__module__}.{cls.__name__}.{name}", {"options": set(signature.parameters) - {"self"}, "given": None})

        def noting(*args, __function=function, __signature=signature, __of=of, **kwargs):
            __of["given"] = (__of["given"] or set()) | set(__signature.bind(*args, **kwargs).arguments)
            return __function(*args, **kwargs)

        functools.update_wrapper(noting, function)
        noting.watched = True
        static = isinstance(inspect.getattr_static(cls, name), staticmethod)
        setattr(cls, name, staticmethod(noting) if static else noting)


def unused():
    """Methods that nobody called, and options that nobody gave, by method."""
    left = {name: "never called" if of["given"] is None else sorted(of["options"] - of["given"]) for name, of in used.items()}
    return {name: options for name, options in left.items() if options}


class Kind:
    def __init__(self, name, address):
        self.name = name
        self.address = address
        self.http = name.startswith("http")
        self.aio = name.endswith("aio")
        self.module = importlib.import_module(f"tritonclient.{name}")
        for cls in WATCHED:
            watch(getattr(self.module, cls))

    def connect(self, **options):
        return Client(self, options)

    def tensor(self, name, array, dtype, binary=True):
        given = self.module.InferInput(name, list(array.shape), dtype)
        given.set_data_from_numpy(array, **({"binary_data": binary} if self.http else {}))
        return given

    def described(self, answer, name):
        """Datatype and shape of an output."""
        output = answer.get_output(name)
        return [output["datatype"], output["shape"]] if self.http else [output.datatype, list(output.shape)]

    def output(self, name, binary=True, class_count=0):
        return self.module.InferRequestedOutput(name, **({"binary_data": binary} if self.http else {}), class_count=class_count)


class Client:
    """Waits for what has to be awaited, and has gRPC's answers as JSON, by the names of the protocol."""

    def __init__(self, kind, options):
        self.kind = kind
        self.extras = {}  # given with every call that takes them

        async def made():
            return kind.module.InferenceServerClient(kind.address, **options)

        self.it = loop.run_until_complete(made()) if kind.aio else kind.module.InferenceServerClient(kind.address, **options)

    def __getattr__(self, name):
        method = getattr(self.it, name)
        takes = inspect.signature(method).parameters

        def call(*args, **kwargs):
            # Copies: the client leaves headers of its own in what it is given.
            defaults = {key: copy(value) for key, value in {**self.extras, "as_json": True}.items() if key in takes}
            answer = method(*args, **{**defaults, **kwargs})
            return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

        return call


def plain(array):
    if array.dtype == np.object_:
        return [value.decode() if isinstance(value, bytes) else value for value in array.flatten().tolist()]
    return array.flatten().tolist()


def said(call, *args, **kwargs):
    """What the client raises; None when all is well."""
    try:
        call(*args, **kwargs)
    except InferenceServerException as thrown:
        return {"status": thrown.status(), "message": thrown.message()}
    return None

