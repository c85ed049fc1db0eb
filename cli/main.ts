#!/usr/bin/env node
/** The `nereid` command. Refuses a Node that is too old before it loads anything; everything else is in command-line.ts. */

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `nereid: this is Node ${process.versions.node}, 22.18 or newer is needed: run it as \`npx nereid\` or \`npm start\`, which bring their own\n`,
  );
  process.exit(1);
}
const { runCommandLine } = await import("./command-line.ts");
await runCommandLine(process.argv);
