"""Metrics of a model's own. The agent adds up those of all processes; it hears of a change before the answer that follows it."""
import bisect
import math
import re
import threading
import time

from .errors import TritonModelException

# For changes that no frame follows.
TOLD_EVERY_SECONDS = 0.25
_KINDS = ("counter", "gauge", "histogram")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Changes:
    """What the agent has not heard. Any thread changes; the channel takes."""

    def __init__(self):
        self.lock = threading.Lock()
        self._families = {}
        self._changed = {}
        self._woken = threading.Event()
        self._teller = None

    def family(self, name, description, kind):
        with self.lock:
            return self._families.setdefault(name, _Family(name, description, kind))

    def note(self, series):
        """With the lock."""
        self._changed[id(series)] = series
        self._woken.set()

    def take(self):
        """The head of a frame; None: there are none."""
        if not self._changed:
            return None
        with self.lock:
            changed, self._changed = self._changed, {}
            self._woken.clear()
            return [series.taken() for series in changed.values()]

    def tell_by(self, channel):
        """Starts what tells them where no frame follows, once there is a metric."""
        with self.lock:
            if self._teller is None:
                self._teller = threading.Thread(target=self._tell, args=(channel,), daemon=True)
                self._teller.start()

    def _tell(self, channel):
        while True:
            self._woken.wait()
            time.sleep(TOLD_EVERY_SECONDS)
            try:
                channel.send()
            except OSError:
                return  # the agent is gone


CHANGES = Changes()
_channel = None


def tell_by(channel):
    global _channel
    _channel = channel


class _Family:
    def __init__(self, name, description, kind):
        self.name = name
        self.description = description
        self.kind = kind
        self.series = {}


class _Series:
    """Two metrics of one family with equal labels are one."""

    def __init__(self, family, labels, bounds):
        self.head = {"family": family.name, "type": _KINDS[family.kind], "help": family.description, "labels": labels, "bounds": bounds}
        self.bounds = bounds
        self.value = 0.0
        self.replaces = False
        self.untold = 0.0
        self.counts = [0] * (len(bounds) + 1) if family.kind == MetricFamily.HISTOGRAM else []

    def taken(self):
        change = {**self.head, "value": self.value if self.replaces else self.untold, "counts": self.counts, "replaces": self.replaces}
        self.replaces, self.untold, self.counts = False, 0.0, [0] * len(self.counts)
        return change


class Metric:
    def __init__(self, kind, series):
        self._kind = kind
        self._series = series

    def increment(self, value):
        if self._kind == MetricFamily.HISTOGRAM:
            self._unsupported("increment metric value", "Increment")
        self._check(value)
        if self._kind == MetricFamily.COUNTER and value < 0:
            raise TritonModelException(
                "Failed to increment metric value: TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically by non-negative values."
            )
        series = self._series
        with CHANGES.lock:
            series.value += value
            series.untold += value
            CHANGES.note(series)

    def set(self, value):
        if self._kind != MetricFamily.GAUGE:
            self._unsupported("set metric value", "Set")
        self._check(value)
        series = self._series
        with CHANGES.lock:
            series.value = float(value)
            series.replaces = True
            CHANGES.note(series)

    def observe(self, value):
        if self._kind != MetricFamily.HISTOGRAM:
            self._unsupported("observe metric value", "Observe")
        self._check(value)
        series = self._series
        with CHANGES.lock:
            series.untold += value
            series.counts[bisect.bisect_left(series.bounds, value)] += 1
            CHANGES.note(series)

    def value(self):
        """As this process has changed it."""
        if self._kind == MetricFamily.HISTOGRAM:
            self._unsupported("get metric value", "Value")
        return self._series.value

    def _unsupported(self, what, operation):
        kind = _KINDS[self._kind].upper()
        raise TritonModelException(f"Failed to {what}: TRITONSERVER_METRIC_KIND_{kind} does not support {operation}")

    def _check(self, value):
        if not math.isfinite(value):
            raise TritonModelException(f"A metric takes finite numbers, not {value}.")


class MetricFamily:
    COUNTER = 0
    GAUGE = 1
    HISTOGRAM = 2

    def __init__(self, name, description, kind):
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise TritonModelException(f"Error when creating MetricFamily: '{name}' is no name of a metric: letters, digits, '_' and ':' make one.")
        if kind not in (self.COUNTER, self.GAUGE, self.HISTOGRAM):
            raise TritonModelException("Error when creating MetricFamily: Unknown metric kind")
        self._family = CHANGES.family(name, str(description), kind)
        if self._family.kind != kind:
            raise TritonModelException(f"Error when creating MetricFamily: '{name}' is a {_KINDS[self._family.kind]} already.")
        CHANGES.tell_by(_channel)

    def Metric(self, labels=None, buckets=None):  # noqa: N802
        family = self._family
        bounds = _bounds(family.kind, buckets)
        labels = dict(sorted((labels or {}).items()))
        for name, value in labels.items():
            if not isinstance(name, str) or _LABEL.fullmatch(name) is None or (bounds and name == "le"):
                raise TritonModelException(f"Error when creating Metric: '{name}' is no name of a label.")
            if not isinstance(value, str):
                raise TritonModelException(f"Error when creating Metric: label '{name}' must have a text, not {type(value)}.")
        with CHANGES.lock:
            series = family.series.setdefault(tuple(labels.items()), _Series(family, labels, bounds))
            CHANGES.note(series)
        return Metric(family.kind, series)


def _bounds(kind, buckets):
    if kind != MetricFamily.HISTOGRAM:
        if buckets is not None:
            raise TritonModelException(f"Error when creating Metric: Unexpected args found in {_KINDS[kind]} Metric constructor.")
        return []
    bounds = [float(bound) for bound in buckets or ()]
    if not bounds or not all(math.isfinite(bound) for bound in bounds) or sorted(set(bounds)) != bounds:
        raise TritonModelException("Error when creating Metric: a histogram needs 'buckets', ascending upper bounds.")
    return bounds
