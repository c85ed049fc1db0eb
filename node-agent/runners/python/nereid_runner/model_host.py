"""Opens the model and executes batches on the main thread; another thread listens to the agent."""
import asyncio
import inspect
import json
import os
import queue
import sys
import threading
import time

from . import metrics, model_calls
from .channel import ANSWER, CANCEL, EXECUTE, FAILED, OPEN, OPENED, RESULT, ROOM, Channel, Frame
from .configuration import ModelConfig
from .errors import TritonModelException, told
from .logger import Logger
from .request import received
from .response import InferenceResponse
from .response_sender import InferenceResponseSender
from .tensor import TensorReader

# How long a model may take to end when the agent is gone.
END_SECONDS = 2
version_folder = ""


class ModelHost:
    def __init__(self, descriptor):
        self.channel = Channel(descriptor)
        self.model_name = ""
        self.model_version = 1
        self.decoupled = False
        self._instance = ""
        self._model = None
        self._senders = {}
        self._calls = model_calls.open_call_desk(self.channel)
        self._work = queue.SimpleQueue()
        self._loop = None
        Logger._channel = self.channel
        metrics.tell_by(self.channel)

    def serve(self):
        """Until the agent ends the channel."""
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            work = self._work.get()
            if work is None:
                break
            kind, number, head, payload = work
            if kind == OPEN:
                self._open(number, head)
            elif kind == EXECUTE:
                self._execute(number, head, payload)
        if hasattr(self._model, "finalize"):
            self._model.finalize()

    # On the listening thread.

    def _listen(self):
        for kind, number, head, payload in self.channel.frames():
            if kind in (OPEN, EXECUTE):
                if kind == EXECUTE:
                    self._register(head)
                self._work.put((kind, number, head, payload))
            elif kind == ANSWER:
                self._calls.answered(number, head, payload)
            elif kind in (CANCEL, ROOM):
                sender = self._senders.pop(number, None) if kind == CANCEL else self._senders.get(number)
                if sender is not None:
                    sender.cancel() if kind == CANCEL else sender.took(head)
        self._calls.close()
        for sender in list(self._senders.values()):
            sender.cancel()
        self._work.put(None)
        time.sleep(END_SECONDS)
        os._exit(0)

    def _register(self, head):
        """Before the batch's turn: it may be canceled while another is executed."""
        for request in head["requests"]:
            self._senders[request["key"]] = InferenceResponseSender(request["key"], request["outputs"], self)

    def forget(self, key):
        self._senders.pop(key, None)

    # On the main thread.

    def _open(self, number, head):
        try:
            answer = self._complete(head) if head["complete"] else self._initialize(head)
            self.channel.send(Frame(OPENED, number, answer))
        except Exception as thrown:  # noqa: BLE001
            self.channel.send(Frame(FAILED, number, {"code": "INTERNAL", "message": told(thrown)}))

    def _initialize(self, head):
        args = head["args"]
        self.model_name = args["model_name"]
        self.model_version = int(args["model_version"])
        self._instance = head["instance"]
        self.decoupled = json.loads(args["model_config"]).get("model_transaction_policy", {}).get("decoupled", False)
        self._model = _model_class(head["file"])()
        if not hasattr(self._model, "execute"):
            raise TritonModelException(f"Python model file '{head['file']}' does not implement `execute` method.")
        if hasattr(self._model, "initialize"):
            self._model.initialize(args)
        return {}

    def _complete(self, head):
        model_class = _model_class(head["file"])
        given = ModelConfig(head["args"]["model_config"])
        if not hasattr(model_class, "auto_complete_config"):
            return given.as_dict()
        completed = model_class.auto_complete_config(given)
        if not isinstance(completed, ModelConfig):
            name = head["args"]["model_name"]
            raise TritonModelException(f"auto_complete_config function in model '{name}' must return a valid pb.ModelConfig object.")
        return completed.as_dict()

    def _execute(self, number, head, payload):
        reader = TensorReader(payload)
        senders = [self._senders.get(one["key"]) or self._canceled(one) for one in head["requests"]]
        requests = [received(one, reader, sender) for one, sender in zip(head["requests"], senders)]
        try:
            returned = self._model.execute(requests)
            if inspect.iscoroutine(returned):
                returned = self._run(returned, senders)
            frames = [] if returned is None else self._answers(returned, senders)
            self.channel.send(*frames, Frame(RESULT, number))
        except Exception as thrown:  # noqa: BLE001
            self.channel.send(Frame(FAILED, number, self._failure(thrown)))

    def _failure(self, thrown):
        return {"code": "INTERNAL", "message": f"Failed to process the request(s) for model '{self._instance}', message: {told(thrown)}"}

    def _canceled(self, request):
        sender = InferenceResponseSender(request["key"], request["outputs"], self)
        sender.cancel()
        return sender

    def _answers(self, responses, senders):
        if self.decoupled:
            raise TritonModelException(
                f"Python model '{self._instance}' is using the decoupled mode and the execute function must return None."
            )
        if not isinstance(responses, list):
            raise TritonModelException(f"Expected a list in the execute return, found type '{type(responses)}'.")
        if len(responses) != len(senders):
            raise TritonModelException(
                "Number of InferenceResponse objects do not match the number of InferenceRequest objects. InferenceRequest(s) size is:"
                f"{len(senders)}, and InferenceResponse(s) size is:{len(responses)}\n"
            )
        for response in responses:
            if response is not None and not isinstance(response, InferenceResponse):
                raise TritonModelException(
                    f"Expected an 'InferenceResponse' object in the execute function return list, found type '{type(response)}'."
                )
        frames = (None if response is None else sender.answer_at_the_end(response) for sender, response in zip(senders, responses))
        return [frame for frame in frames if frame is not None]

    def _run(self, coroutine, senders):
        """A decoupled model's goes on while the next batch is executed."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, daemon=True).start()
        running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        if not self.decoupled:
            return running.result()
        running.add_done_callback(lambda done: self._ran(done, senders))
        return None

    def _ran(self, done, senders):
        """What it has left open fails."""
        if done.exception() is None:
            return
        for sender in senders:
            sender.fail(self._failure(done.exception()))


def _model_class(file):
    """The version's folder is a package, so that a model may import what lies beside it by name or relative to itself."""
    global version_folder
    version_folder, name = os.path.split(file)
    model_folder, version = os.path.split(version_folder)
    sys.path[:0] = [version_folder, model_folder]
    module_name = f"{version}.{os.path.splitext(name)[0]}"
    __import__(module_name)
    module = sys.modules[module_name]
    if not hasattr(module, "TritonPythonModel"):
        raise TritonModelException(f"Python model file '{file}' has no class TritonPythonModel.")
    return module.TritonPythonModel
