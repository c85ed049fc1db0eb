"""The way back to whoever asked. It may be used after `execute` has returned, by any thread."""
import asyncio
import threading

from .channel import ANSWER, Frame

# Answers of a request that may be on their way: whoever sends more waits until the client has taken some.
UNTAKEN_MAX = 16
FINAL = 1



class InferenceResponseSender:
    def __init__(self, key, wanted, host):
        self._key = key
        self._wanted = wanted
        self._host = host
        self._sent = 0
        self._taken = 0
        self._closed = False
        self._cancelled = False
        self._changed = threading.Condition()

    @property
    def model_name(self):
        return self._host.model_name

    @property
    def model_version(self):
        return self._host.model_version

    def is_cancelled(self):
        return self._cancelled

    def send(self, response=None, flags=0):
        """Waits while the client does not read; in an event loop it does not wait."""
        with self._changed:
            self._check(response, flags)
            self._changed.wait_for(self._has_room)
            frame = self._frame(response, flags)
        if frame is not None:
            self._host.channel.send(frame)

    def _check(self, response, flags):
        if flags not in (0, FINAL):
            raise RuntimeError("Unable to send response. Unsupported flag provided.")
        if response is None and flags == 0:
            raise RuntimeError("Inference Response object must be provided when the response flags is set to zero.")
        if not self._host.decoupled and response is None and self._sent == 0:
            raise RuntimeError("Unable to send response. Non-decoupled model cannot send complete final before sending a response.")
        if not self._host.decoupled and response is not None and self._sent > 0:
            raise RuntimeError("Unable to send response. Non-decoupled model cannot send more than one response.")
        if self._closed:
            raise RuntimeError("Unable to send response. Response sender has been closed.")

    def _has_room(self):
        return self._cancelled or self._sent - self._taken < UNTAKEN_MAX or _in_event_loop()

    def _frame(self, response, flags):
        """What is sent; None: nobody wants it any more, or the answer before it was the last."""
        self._closed = flags == FINAL
        is_first = self._sent == 0
        if response is not None:
            self._sent += 1
        is_last = self._closed or not self._host.decoupled
        if is_last:
            self._host.forget(self._key)
        if self._cancelled or (not self._host.decoupled and not is_first):
            return None
        head, parts = ({}, []) if response is None else response._announced(self._wanted)
        return Frame(ANSWER, self._key, {"final": is_last, "empty": response is None, **head}, parts)

    # The host's side.

    def answer_at_the_end(self, response):
        """The frame of what `execute` returned for it."""
        with self._changed:
            if self._closed or self._sent > 0:
                raise RuntimeError("Unable to send response. Response sender has been closed.")
            return self._frame(response, FINAL)

    def fail(self, failure):
        """Unless it has ended."""
        with self._changed:
            if self._closed or self._cancelled:
                return
            self._closed = True
            self._host.forget(self._key)
        self._host.channel.send(Frame(ANSWER, self._key, {"final": True, "empty": False, "error": failure}))

    def took(self, count):
        with self._changed:
            self._taken += count
            self._changed.notify_all()

    def cancel(self):
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()


def _in_event_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
