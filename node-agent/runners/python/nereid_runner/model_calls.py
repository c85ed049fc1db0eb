"""Calls of other models: their requests go through the agent, as an ensemble's steps do."""
import asyncio
import itertools
import json
import queue
import threading

from .channel import CALL, CANCEL, CONTROL, Frame
from .errors import TritonError, TritonModelException, triton_error
from .response import InferenceResponse
from .tensor import TensorReader, announced

_FILE = "file:"
_desk = None


def call_desk():
    if _desk is None:
        raise TritonModelException("Models can be called inside of a model alone.")
    return _desk


def open_call_desk(channel):
    global _desk
    _desk = CallDesk(channel)
    return _desk


def load_model(model_name, files=None, config=""):
    """Returns when the model is ready. files: contents by `file:VERSION/PATH`. Raises TritonModelException when it cannot be loaded."""
    contents = {}
    for name, content in (files or {}).items():
        if not name.startswith(_FILE):
            raise TritonModelException(f"a file's name must begin with '{_FILE}', '{name}' does not")
        contents[name.removeprefix(_FILE)] = bytes(content)
    call_desk().control("load", model_name, config=config, files=contents)


def unload_model(model_name, unload_dependents=False):
    """Returns at once: what runs is finished first."""
    call_desk().control("unload", model_name, dependents=unload_dependents)


def is_model_ready(model_name, model_version=""):
    """Whether the model takes requests; any version of it unless one is given."""
    return call_desk().control("ready", model_name, version=str(model_version))


class Call:
    """Answers come from the listening thread; whoever has called takes them."""

    def __init__(self, number, channel):
        self._number = number
        self._channel = channel
        self._answers = queue.SimpleQueue()
        self._waiting = None
        self._lock = threading.Lock()
        self._is_over = False

    def next(self):
        """(response, whether it is the last); the response is None where there is only the end."""
        return self._answers.get()

    def only(self):
        response, is_last = self.next()
        while not is_last:
            _, is_last = self.next()
        return response if response is not None else _no_answer()

    async def only_async(self):
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        with self._lock:
            self._waiting = lambda: loop.call_soon_threadsafe(over.set)
            if self._is_over:
                over.set()
        await over.wait()
        return self.only()

    def cancel(self):
        if not self._is_over:
            self._channel.send(Frame(CANCEL, self._number))

    def answered(self, response, is_last):
        self._answers.put((response, is_last))
        with self._lock:
            self._is_over = is_last
            if is_last and self._waiting is not None:
                self._waiting()


class ResponseIterator:
    """The answers of a decoupled model."""

    def __init__(self, call):
        self._call = call
        self._is_over = False

    def __iter__(self):
        return self

    def __next__(self):
        if self._is_over:
            raise StopIteration
        response, self._is_over = self._call.next()
        if response is None:
            raise StopIteration
        return response

    def cancel(self):
        self._call.cancel()


class CallDesk:
    def __init__(self, channel):
        self._channel = channel
        self._numbers = itertools.count(1)
        self._calls = {}
        self._lock = threading.Lock()
        self._is_gone = False

    def begin(self, request):
        heads, parts = announced(request.inputs())
        correlation = request.correlation_id()
        trace = request.trace()
        head = {
            "model": request.model_name(),
            "version": request.model_version(),
            "id": request.request_id(),
            "flags": request.flags(),
            "timeout": request.timeout(),
            "parameters": request.parameters(),
            "outputs": request.requested_output_names(),
            "inputs": heads,
            **({"text": correlation} if isinstance(correlation, str) else {"number": str(correlation)}),
            **({} if trace is None or trace._key is None else {"key": trace._key}),
        }
        return self._sent(CALL, head, parts)

    def control(self, ask, model, version="", config="", dependents=False, files=None):
        files = files or {}
        sizes = [(name, len(content)) for name, content in files.items()]
        head = {"ask": ask, "model": model, "version": version, "config": config, "dependents": dependents, "files": sizes}
        response = self._sent(CONTROL, head, list(files.values())).only()
        if response.has_error():
            raise TritonModelException(response.error().message())
        return response._parameters["done"]

    def _sent(self, kind, head, parts):
        with self._lock:
            call = Call(next(self._numbers), self._channel)
            self._calls[call._number] = call
            if self._is_gone:
                call.answered(_failed("UNAVAILABLE", "the model is being unloaded"), True)
                return call
        self._channel.send(Frame(kind, call._number, head, parts))
        return call

    def answered(self, number, head, payload):
        is_last = head["final"]
        with self._lock:
            call = self._calls.pop(number, None) if is_last else self._calls.get(number)
        if call is not None:
            call.answered(_response(head, payload), is_last)

    def close(self):
        """The agent is gone: nothing comes any more."""
        with self._lock:
            self._is_gone = True
            for call in self._calls.values():
                call.answered(_failed("UNAVAILABLE", "the model is being unloaded"), True)
            self._calls.clear()


def _response(head, payload):
    if "error" in head:
        return _failed(head["error"]["code"], head["error"]["message"])
    if "outputs" not in head:
        return None
    response = InferenceResponse(TensorReader(payload).take(head["outputs"]))
    response._parameters = json.loads(head["parameters"])
    return response


def _failed(code, message):
    return InferenceResponse(error=triton_error(code, message))


def _no_answer():
    return InferenceResponse(error=TritonError("the called model gave no answer"))
