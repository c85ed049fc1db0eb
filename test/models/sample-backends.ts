/** Configurations of Triton's sample backends, as its own tests have them. */

export const REPEAT = `
backend: "repeat" max_batch_size: 0
model_transaction_policy { decoupled: True }
input [
  { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "DELAY" data_type: TYPE_UINT32 dims: [ -1 ] },
  { name: "WAIT" data_type: TYPE_UINT32 dims: [ 1 ] }
]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "IDX" data_type: TYPE_UINT32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU } ]
`;

export const SQUARE = `
backend: "square" max_batch_size: 0
model_transaction_policy { decoupled: True }
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
`;

/** @param parameters of the configuration, by name */
export const withParameters = (config: string, parameters: Readonly<Record<string, string>>): string =>
  `${config} ${Object.entries(parameters)
    .map(([key, value]) => `parameters { key: "${key}" value: { string_value: "${value}" } }`)
    .join(" ")}`;

export const IDENTITY = `
backend: "identity" max_batch_size: 8
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
`;

/** Of one text, without a batch dimension. */
export const IDENTITY_TEXT = `
backend: "identity" max_batch_size: 0
input [ { name: "INPUT0" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_STRING dims: [ 1 ] } ]
`;
