/** A private folder for unix sockets, under a name short enough for them. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** Only this user may enter it. Whoever asked for it removes it. */
export async function privateSocketFolder(): Promise<string> {
  return await mkdtemp(path.join(tmpdir(), "nereid-"));
}
