/** Asks for model files here, then there, until one has them. */
import { ServingError } from "../errors.ts";

/** What another one may do better: it is there, has the model, or has the content that was begun with. The worst first. */
const ASK_ON = ["ABORTED", "UNAVAILABLE", "NOT_FOUND"] as const;

const isModelNotFound = ({ code, reason }: ServingError): boolean => code === "NOT_FOUND" && reason === "model_not_found";

/**
 * @param ways each asks somebody else
 * @throws ServingError the first failure that nobody else can help; else the gravest of all, or `nobody` when there are no ways
 */
export async function askEach(ways: Iterable<() => Promise<Uint8Array>>, nobody: ServingError): Promise<Uint8Array> {
  const failures: ServingError[] = [];
  for (const way of ways) {
    try {
      return await way();
    } catch (thrown) {
      const failure = ServingError.from(thrown);
      if (failure.code !== "ABORTED" && failure.code !== "UNAVAILABLE" && !isModelNotFound(failure)) throw failure;
      failures.push(failure);
    }
  }
  const gravest = ASK_ON.map((code) => failures.find((failure) => failure.code === code)).find((failure) => failure !== undefined);
  throw gravest ?? nobody;
}
