"""What models raise and answer with, and how exceptions are told: as pybind11 does it for Triton."""
import os

_OWN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class TritonModelException(Exception):
    """Raised by a model it fails the batch."""


class TritonError:
    """Why a request could not be answered."""

    UNKNOWN = 0
    INTERNAL = 1
    NOT_FOUND = 2
    INVALID_ARG = 3
    UNAVAILABLE = 4
    UNSUPPORTED = 5
    ALREADY_EXISTS = 6
    CANCELLED = 7

    def __init__(self, message, code=INTERNAL):
        self._message = str(message)
        self._code = code

    def message(self):
        return self._message

    def code(self):
        return self._code


# By TritonError's numbers: the codes of gRPC that clients are told.
CODES = ("UNKNOWN", "INTERNAL", "NOT_FOUND", "INVALID_ARGUMENT", "UNAVAILABLE", "UNIMPLEMENTED", "ALREADY_EXISTS", "CANCELLED")


def triton_error(code, message):
    """From a code of gRPC's."""
    return TritonError(message, CODES.index(code) if code in CODES else TritonError.INTERNAL)


def told(exception):
    """`Type: text`, and where it was raised, the innermost call first."""
    text = f"{type(exception).__name__}: {exception}"
    trace = exception.__traceback__
    if trace is None:
        return text
    while trace.tb_next is not None:
        trace = trace.tb_next
    frame, line, places = trace.tb_frame, trace.tb_lineno, []
    while frame is not None and not _is_own(frame):
        places.append(f"  {frame.f_code.co_filename}({line}): {frame.f_code.co_name}\n")
        frame = frame.f_back
        line = None if frame is None else frame.f_lineno
    return f"{text}\n\nAt:\n{''.join(places)}" if places else text


def _is_own(frame):
    return frame.f_code.co_filename.startswith(_OWN_FOLDER + os.sep)
