"""What models import as `pb_utils`: Triton's interface of Python models, by its names."""
from nereid_runner.configuration import (  # noqa: F401
    ModelConfig,
    get_input_config_by_name,
    get_output_config_by_name,
    using_decoupled_model_transaction_policy,
)
from nereid_runner.errors import TritonError, TritonModelException  # noqa: F401
from nereid_runner.logger import Logger  # noqa: F401
from nereid_runner.metrics import Metric, MetricFamily  # noqa: F401
from nereid_runner.model_calls import is_model_ready, load_model, unload_model  # noqa: F401
from nereid_runner.request import (  # noqa: F401
    TRITONSERVER_MEMORY_CPU,
    TRITONSERVER_MEMORY_GPU,
    InferenceRequest,
    InferenceTrace,
    PreferredMemory,
)
from nereid_runner.response import InferenceResponse  # noqa: F401
from nereid_runner.response_sender import InferenceResponseSender  # noqa: F401
from nereid_runner.tensor import (  # noqa: F401
    TRITON_STRING_TO_NUMPY,
    Tensor,
    deserialize_bytes_tensor,
    numpy_to_triton_type,
    serialize_byte_tensor,
    triton_string_to_numpy,
    triton_to_numpy_type,
)

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2
TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_RELEASE_ALL = 1
TRITONSERVER_REQUEST_RELEASE_RESCHEDULE = 2


def get_input_tensor_by_name(inference_request, name):
    """The input of this name; None when there is none."""
    return _named(inference_request.inputs(), name)


def get_output_tensor_by_name(inference_response, name):
    """The output of this name; None when there is none."""
    return _named(inference_response.output_tensors(), name)


def get_model_dir():
    """The folder of the model's version, with model.py in it."""
    from nereid_runner import model_host

    return model_host.version_folder


def _named(tensors, name):
    for tensor in tensors:
        if tensor.name() == name:
            return tensor
    return None
