"""A request that the model is to answer, or one that it asks another model."""
import json

from .model_calls import ResponseIterator, call_desk
from .tensor import TensorReader

TRITONSERVER_MEMORY_CPU = 0
TRITONSERVER_MEMORY_GPU = 2


class PreferredMemory:
    """Where answers of called models are wanted. There is the host's memory alone."""

    def __init__(self, preferred_memory_type, preferred_device_id=0):
        self._type = preferred_memory_type
        self._device = preferred_device_id


class InferenceTrace:
    """Names the request on whose behalf another model is called."""

    def __init__(self, key=None):
        self._key = key

    def get_context(self):
        return None


class InferenceRequest:
    def __init__(
        self,
        request_id="",
        correlation_id=0,
        inputs=(),
        requested_output_names=(),
        model_name="",
        model_version=-1,
        flags=0,
        timeout=0,
        preferred_memory=None,
        trace=None,
        parameters=None,
    ):
        if not isinstance(correlation_id, (int, str)):
            raise TypeError("Correlation ID must be integer or string")
        self._id = request_id
        self._correlation_id = correlation_id
        self._inputs = list(inputs)
        self._outputs = list(requested_output_names)
        self._model_name = model_name
        self._model_version = model_version
        self._flags = flags
        self._timeout = timeout
        self._preferred_memory = preferred_memory
        self._trace = trace
        self._parameters = json.dumps(parameters or {}, separators=(",", ":"))
        self._sender = None

    def inputs(self):
        return self._inputs

    def request_id(self):
        return self._id

    def correlation_id(self):
        return self._correlation_id

    def requested_output_names(self):
        return self._outputs

    def model_name(self):
        return self._model_name

    def model_version(self):
        return self._model_version

    def flags(self):
        return self._flags

    def set_flags(self, flags):
        self._flags = flags

    def timeout(self):
        return self._timeout

    def parameters(self):
        return self._parameters

    def preferred_memory(self):
        return self._preferred_memory

    def trace(self):
        return self._trace

    def is_cancelled(self):
        return self._sender is not None and self._sender.is_cancelled()

    def get_response_sender(self):
        return self._sender

    def set_release_flags(self, flags):
        if flags != 1:
            raise RuntimeError("A request can be released with TRITONSERVER_REQUEST_RELEASE_ALL alone: none is scheduled again here.")

    def exec(self, decoupled=False):
        """The called model's answer; of a decoupled one an iterator. An error is in the answer."""
        call = call_desk().begin(self)
        return ResponseIterator(call) if decoupled else call.only()

    async def async_exec(self, decoupled=False):
        call = call_desk().begin(self)
        return ResponseIterator(call) if decoupled else await call.only_async()


def received(head, reader: TensorReader, sender):
    """As the agent has sent it."""
    request = InferenceRequest.__new__(InferenceRequest)
    request._id = head["id"]
    request._correlation_id = head["text"] if "text" in head else int(head["number"])
    request._inputs = reader.take(head["inputs"])
    request._outputs = head["outputs"]
    request._model_name = sender.model_name
    request._model_version = sender.model_version
    request._flags = head["flags"]
    request._timeout = head["timeout"]
    request._preferred_memory = PreferredMemory(TRITONSERVER_MEMORY_CPU)
    request._trace = InferenceTrace(head["key"])
    request._parameters = head["parameters"]
    request._sender = sender
    return request
