/** ONNX Runtime's error texts for people who serve a model, not for those who build the runtime. Pure. */

/** `/onnxruntime_src/…/model.cc:202 onnxruntime::Model::Model(…) `: where in its own sources the runtime gave up. */
const SOURCE_PLACE = /\/onnxruntime_src\/\S+:\d+ [^\n]*?\) (?=[A-Z])/g;

/** What helps, by what the text says. */
const REMEDIES: readonly (readonly [says: RegExp, remedy: string])[] = [
  [/Unsupported model IR version/, "export the model with an older version of the format, or serve it with a newer ONNX Runtime"],
  [
    /Current official support for domain \S+ is till opset/,
    "export the model with an opset that old, or serve it with a newer ONNX Runtime",
  ],
  [
    /No Op registered for|No opset import for domain|is not a registered function\/op/,
    "export the model with operators that ONNX Runtime has; libraries of operators are not loaded",
  ],
];

export function readableError(text: string): string {
  const said = text.replace(SOURCE_PLACE, "").trimEnd();
  const remedy = REMEDIES.find(([says]) => says.test(said))?.[1];
  return remedy === undefined ? said : `${said}; ${remedy}`;
}
