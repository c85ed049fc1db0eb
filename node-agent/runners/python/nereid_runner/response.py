"""A model's answer, or one of another model that it has called."""
import json

from .errors import CODES, TritonError, TritonModelException
from .tensor import announced


class InferenceResponse:
    def __init__(self, output_tensors=(), error=None, parameters=None):
        if error is not None and not isinstance(error, TritonError):
            error = TritonError(error)
        self._outputs = list(output_tensors)
        self._error = error
        self._parameters = _checked({} if parameters is None else parameters)

    def output_tensors(self):
        return self._outputs

    def has_error(self):
        return self._error is not None

    def error(self):
        return self._error

    def parameters(self):
        """JSON, as of requests."""
        return json.dumps(self._parameters, separators=(",", ":"))

    def _announced(self, wanted):
        """The head of what is sent, and its bytes: of the wanted outputs those that are there."""
        if self._error is not None:
            return {"error": error_head(self._error)}, []
        heads, parts = announced([tensor for tensor in self._outputs if tensor.name() in wanted])
        return {"outputs": heads, **({"parameters": self._parameters} if self._parameters else {})}, parts


def error_head(error):
    code = error.code()
    return {"code": CODES[code] if 0 <= code < len(CODES) else "INTERNAL", "message": error.message()}


def _checked(parameters):
    if not isinstance(parameters, dict):
        raise TritonModelException(f"Expect parameters to be a dict, got {type(parameters)}")
    for name, value in parameters.items():
        if not isinstance(name, str):
            raise TritonModelException(f"Expect parameters keys to have type str, found type {type(name)}")
        if not isinstance(value, (bool, int, str)):
            raise TritonModelException(f"Expect parameters values to have type bool/int/str, found type {type(value)}")
    return parameters
