"""Frames to and from the agent. The layout is in core/wire/model-wire.ts; heads are JSON, payloads the bytes of tensors."""
import json
import socket
import struct
import threading

import numpy as np

from .metrics import CHANGES

HEADER = struct.Struct("<IIII")
# The places of the kinds in MODEL_FRAME_KINDS.
OPEN, EXECUTE, CANCEL, OPENED, RESULT, FAILED, ANSWER, CALL, ROOM, LOG, METRICS, CONTROL = range(12)
# Frames up to this size leave in one piece: copying them costs less than more parts.
JOINED_BYTES_MAX = 32_768
PARTS_MAX = 512


class Frame:
    __slots__ = ("kind", "number", "head", "parts")

    def __init__(self, kind, number, head=None, parts=()):
        self.kind = kind
        self.number = number
        self.head = head
        self.parts = parts


def _buffers(frame):
    head = b"" if frame.head is None else json.dumps(frame.head, separators=(",", ":")).encode()
    size = sum(len(part) for part in frame.parts)
    return [HEADER.pack(frame.kind, frame.number, len(head), size) + head, *frame.parts]


class Channel:
    """Any thread sends; one receives."""

    def __init__(self, descriptor):
        self._socket = socket.socket(fileno=descriptor)
        self._sending = threading.Lock()

    def send(self, *frames):
        """Returns when the agent's end has taken the bytes, changed metrics before them. Raises OSError when it is gone."""
        buffers = [buffer for frame in frames for buffer in _buffers(frame)]
        with self._sending:
            changes = CHANGES.take()
            if changes is not None:
                buffers[:0] = _buffers(Frame(METRICS, 0, changes))
            if sum(len(buffer) for buffer in buffers) <= JOINED_BYTES_MAX:
                self._socket.sendall(b"".join(buffers))
            else:
                self._send_parts([memoryview(buffer) for buffer in buffers if len(buffer) > 0])

    def _send_parts(self, views):
        at = 0
        while at < len(views):
            sent = self._socket.sendmsg(views[at : at + PARTS_MAX])
            while at < len(views) and sent >= len(views[at]):
                sent -= len(views[at])
                at += 1
            if sent > 0:
                views[at] = views[at][sent:]

    def frames(self):
        """Yields (kind, number, head, payload) until the agent ends the channel. The payload has memory of its own."""
        header = bytearray(HEADER.size)
        while self._fill(memoryview(header)):
            kind, number, head_bytes, payload_bytes = HEADER.unpack(header)
            head = memoryview(bytearray(head_bytes))
            payload = np.empty(payload_bytes, np.uint8)
            if not self._fill(head) or not self._fill(memoryview(payload)):
                return
            yield kind, number, json.loads(bytes(head)) if head_bytes > 0 else None, payload

    def _fill(self, view):
        """False: the channel has ended."""
        at = 0
        while at < len(view):
            try:
                count = self._socket.recv_into(view[at:])
            except OSError:
                return False
            if count == 0:
                return False
            at += count
        return True
