/** Settings of which models of the repository are served, with Triton's names and defaults. Pure. */
import { manyOf, oneOf, setting, text, wholeNumber, yesNo } from "../core/settings.ts";

export const REPOSITORY_SETTINGS = {
  modelControlMode: setting<"none" | "poll" | "explicit" | "on-demand">({
    kind: oneOf(["none", "poll", "explicit", "on-demand"]),
    fallback: "none",
    help: "none serves all that the repository has, poll also what changes in it later, explicit what clients load, on-demand also what requests ask for",
  }),
  repositoryPollSecs: setting({
    kind: wholeNumber(1, 86_400),
    fallback: 15,
    unit: "s",
    help: "with poll: how often the repository is looked at",
  }),
  loadModel: setting<readonly string[]>({
    kind: manyOf(text("a model name, or * for all")),
    fallback: [],
    help: "with explicit and on-demand: what is loaded at the start",
  }),
};

export const exitOnError = setting({
  kind: yesNo(),
  fallback: true,
  help: "end when a model that is to be served from the start cannot be loaded",
});
