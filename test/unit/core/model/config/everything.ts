/** A configuration that sets about every field there is, for round trips. */
export const EVERYTHING = `
name: "all" platform: "onnxruntime_onnx" backend: "onnxruntime" runtime: "libtriton_onnxruntime.so"
version_policy { specific { versions: [ 1, 3 ] } }
max_batch_size: 8
input [
  { name: "A" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, -1, 224 ] },
  { name: "B" data_type: TYPE_STRING dims: [ 1 ] reshape { shape: [ ] } optional: true },
  { name: "R" data_type: TYPE_BF16 dims: [ -1 ] allow_ragged_batch: true }
]
output [ { name: "Y" data_type: TYPE_FP64 dims: [ 2, 5 ] reshape { shape: [ 10 ] } label_filename: "labels.txt" } ]
batch_input [ { kind: BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO target_name: [ "INDEX" ] data_type: TYPE_FP32 source_input: "R" } ]
batch_output [ { target_name: [ "Y" ] kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "R" } ]
optimization {
  graph { level: -1 } priority: PRIORITY_MAX gather_kernel_buffer_threshold: 3 eager_batching: true
  cuda { graphs: true graph_spec { batch_size: 2 input { key: "A" value { dim: [ 3, 4 ] } } graph_lower_bound { batch_size: 1 } } }
  execution_accelerators { cpu_execution_accelerator { name: "openvino" parameters { key: "k" value: "v" } } }
  input_pinned_memory { enable: false }
}
dynamic_batching {
  preferred_batch_size: [ 8, 4 ] max_queue_delay_microseconds: 500 priority_levels: 3 default_priority_level: 2
  default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 1000 allow_timeout_override: true max_queue_size: 7 }
  priority_queue_policy { key: 1 value { max_queue_size: 1 } }
}
instance_group [
  { name: "g" count: 3 kind: KIND_CPU rate_limiter { resources [ { name: "R1" global: true count: 4 } ] priority: 2 } host_policy: "numa0" },
  { kind: KIND_MODEL passive: true }
]
default_model_filename: "other.onnx"
cc_model_filenames { key: "8.0" value: "ampere.onnx" }
metric_tags { key: "team" value: "a" }
parameters { key: "intra_op_thread_count" value { string_value: "4" } }
parameters { key: "session.dynamic_block_base" value { string_value: "4" } }
model_warmup [ { name: "w" batch_size: 2 count: 3 inputs { key: "A" value { data_type: TYPE_FP32 dims: [ 3, 4, 224 ] random_data: true } } inputs { key: "B" value { data_type: TYPE_STRING dims: [ 1 ] input_data_file: "b" } } } ]
model_operations { op_library_filename: "ops.so" }
model_transaction_policy { decoupled: true }
model_repository_agents { agents [ { name: "checksum" parameters { key: "MD5:1/model.onnx" value: "00" } } ] }
response_cache { enable: false }
model_metrics { metric_control [ { metric_identifier { family: "nv_inference_first_response_histogram_ms" } histogram_options { buckets: [ 0.5, 1, 2.5 ] } } ] }
`;
