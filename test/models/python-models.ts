/** Python models as Triton's users write them. */

const IMPORTS = `
import asyncio
import threading
import numpy as np
import triton_python_backend_utils as pb_utils
`;

const ONE_TO_ONE = `
input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
`;

export interface PythonModel {
  readonly "1/model.py": string;
  readonly "config.pbtxt": string;
}

const model = (body: string, config: string): PythonModel => ({
  "1/model.py": IMPORTS + body,
  "config.pbtxt": `backend: "python" ${config}`,
});

/** OUTPUT0 = 2 INPUT0, computed by an import from the version's folder. */
export const DOUBLE = model(
  `
from .double import double

class TritonPythonModel:
    def execute(self, requests):
        values = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", double(one))]) for one in values]
`,
  ONE_TO_ONE,
);
export const DOUBLE_PY = "def double(value):\n    return 2 * value\n";

/** Counts up to INPUT0, in a thread that goes on after execute has returned; the answer to 3 fails. */
export const COUNT = model(
  `
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.count, args=(request,)).start()

    def count(self, request):
        sender = request.get_response_sender()
        for number in range(int(pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()[0])):
            if sender.is_cancelled():
                pb_utils.Logger.log_warn(f"canceled at {number}")
                return
            error = pb_utils.TritonError("no 3", pb_utils.TritonError.NOT_FOUND) if number == 3 else None
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", np.array([number], np.int32))], error))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
`,
  `${ONE_TO_ONE} model_transaction_policy { decoupled: true }`,
);

/** Doubles by calling "double" twice at a time, and adds what "count" counts up to. */
export const CALLS = model(
  `
class TritonPythonModel:
    async def execute(self, requests):
        return [await self.answer(request) for request in requests]

    async def answer(self, request):
        given = pb_utils.get_input_tensor_by_name(request, "INPUT0")
        called = [self.called("double", given).async_exec() for _ in range(2)]
        answers = await asyncio.gather(*called)
        for answer in answers:
            if answer.has_error():
                return pb_utils.InferenceResponse(error=answer.error())
        values = [pb_utils.get_output_tensor_by_name(answer, "OUTPUT0").as_numpy() for answer in answers]
        counted = [pb_utils.get_output_tensor_by_name(one, "OUTPUT0").as_numpy() for one in self.called("count", given).exec(decoupled=True)]
        missing = self.called("nowhere", given).exec()
        if not missing.has_error():
            raise pb_utils.TritonModelException("a model that is not there has answered")
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", sum(values) + sum(counted))])

    def called(self, name, given):
        return pb_utils.InferenceRequest(model_name=name, requested_output_names=["OUTPUT0"], inputs=[given])
`,
  ONE_TO_ONE,
);

/** Loads a model that it brings along, says what it sees of it meanwhile, and unloads it. */
export const LOADS = model(
  `
import json
import os

CONFIG = json.dumps({"backend": "onnxruntime"})

class TritonPythonModel:
    def execute(self, requests):
        seen = [pb_utils.is_model_ready("brought")]
        with open(os.path.join(pb_utils.get_model_dir(), "brought.onnx"), "rb") as file:
            pb_utils.load_model("brought", files={"file:1/model.onnx": file.read()}, config=CONFIG)
        seen += [pb_utils.is_model_ready("brought"), pb_utils.is_model_ready("brought", "7"), pb_utils.is_model_ready("brought", "1")]
        pb_utils.unload_model("brought")
        while pb_utils.is_model_ready("brought"):
            pass
        try:
            pb_utils.load_model("nowhere")
        except pb_utils.TritonModelException as refused:
            seen.append(str(refused))
        answer = pb_utils.Tensor("OUTPUT0", np.array([json.dumps(seen)], dtype=np.object_))
        return [pb_utils.InferenceResponse([answer]) for _ in requests]
`,
  `
input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_STRING dims: [ 1 ] } ]
`,
);

/** Says all of its configuration itself. */
export const SAYS_ITSELF = model(
  `
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.set_max_batch_size(4)
        config.set_dynamic_batching()
        config.add_input({"name": "INPUT0", "data_type": "TYPE_STRING", "dims": [-1]})
        config.add_output({"name": "OUTPUT0", "data_type": "TYPE_STRING", "dims": [-1]})
        return config

    def execute(self, requests):
        values = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", one[:, ::-1])]) for one in values]
`,
  "",
);

/** OUTPUT0 is the sum of its sequence so far, which the model keeps itself. */
export const SUMS = model(
  `
class TritonPythonModel:
    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        value, start, ready, name = (
            pb_utils.get_input_tensor_by_name(request, one).as_numpy() for one in ("INPUT0", "START", "READY", "CORRID")
        )
        if not ready[0, 0]:
            return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", value)])
        is_start = bool(request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)
        if request.correlation_id() != name[0, 0] or is_start != bool(start[0, 0]):
            raise pb_utils.TritonModelException("controls and request differ")
        self.sums[name[0, 0]] = value if is_start else self.sums[name[0, 0]] + value
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", self.sums[name[0, 0]])])
`,
  `max_batch_size: 4 ${ONE_TO_ONE}
sequence_batching {
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] },
    { name: "READY" control [ { kind: CONTROL_SEQUENCE_READY int32_false_true: [ 0, 1 ] } ] },
    { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] }
  ]
}`,
);

/** OUTPUT0 says what it has had so far, this request included: steps, starts, ends, different sequence ids, and the sum of all INPUT0. */
export const TALLY = model(
  `
class TritonPythonModel:
    def initialize(self, args):
        self.steps, self.starts, self.ends, self.sum = 0, 0, 0, 0
        self.ids = set()

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        self.steps += 1
        self.starts += bool(request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)
        self.ends += bool(request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END)
        self.ids.add(request.correlation_id())
        self.sum += int(pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()[0, 0])
        seen = [self.steps, self.starts, self.ends, len(self.ids), self.sum]
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", np.array([seen], np.int32))])
`,
  `max_batch_size: 4
input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 5 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
sequence_batching { oldest { max_candidate_sequences: 4 } }`,
);

/** OUTPUT0 is how many requests it has had, warm-ups among them; the answer's parameters say so, too. */
export const COUNTED = model(
  `
class TritonPythonModel:
    def initialize(self, args):
        self.requests = 0

    def execute(self, requests):
        self.requests += len(requests)
        outputs = [pb_utils.Tensor("OUTPUT0", np.array([self.requests], np.int32))]
        return [pb_utils.InferenceResponse(outputs, parameters={"had": self.requests, "kind": "counted", "sure": True})] * len(requests)
`,
  `${ONE_TO_ONE} model_warmup [ { name: "twice" count: 2 inputs { key: "INPUT0" value { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } } } ]`,
);

/** Keeps metrics of its own: what it has had in all, the last value, and how large they were. */
export const MEASURED = model(
  `
class TritonPythonModel:
    def initialize(self, args):
        family = pb_utils.MetricFamily
        labels = {"model": args["model_name"], "kind": "test"}
        self.had = family("had_total", "All of INPUT0.", family.COUNTER).Metric(labels=labels)
        self.last = family(name="last_value", description="The last INPUT0.", kind=family.GAUGE).Metric(labels=labels)
        self.sizes = family("sizes", "How large INPUT0 is.", family.HISTOGRAM).Metric(labels=labels, buckets=[1, 10])

    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()) for request in requests]

    def answer(self, value):
        self.had.increment(int(value[0]))
        self.last.set(int(value[0]))
        self.sizes.observe(int(value[0]))
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", np.array([self.had.value()], np.int32))])
`,
  ONE_TO_ONE,
);

/** Hands its sequence's steps on to "sums", as a sequence whose id is 100 more; fails where INPUT0 is negative. */
export const HANDS_ON = model(
  `
class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        given = pb_utils.get_input_tensor_by_name(request, "INPUT0")
        if given.as_numpy()[0, 0] < 0:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("below 0", pb_utils.TritonError.INVALID_ARG))
        if request.correlation_id() in (0, ""):
            return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", given.as_numpy())])
        asked = pb_utils.InferenceRequest(
            model_name="sums", requested_output_names=["OUTPUT0"], inputs=[given],
            correlation_id=request.correlation_id() + 100, flags=request.flags(), trace=request.trace(),
        )
        answer = asked.exec()
        return pb_utils.InferenceResponse(answer.output_tensors(), answer.error())
`,
  `max_batch_size: 4 ${ONE_TO_ONE} sequence_batching { }`,
);
