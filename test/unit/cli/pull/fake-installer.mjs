/** Stands in for pip: `download … --dest FOLDER …` copies the file that FAKE_WHEEL names, or fails as FAKE_FAILURE says. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";

const [wheel, failure, ...args] = process.argv.slice(2);
if (!args.includes("--version")) {
  if (failure !== "") {
    process.stderr.write(`a long story\n${failure}\n`);
    process.exit(1);
  }
  copyFileSync(wheel, join(args[args.indexOf("--dest") + 1], "any-1.0-py3-none-any.whl"));
}
