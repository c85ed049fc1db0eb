/** What the set-up says: a spinner with seconds on a terminal, plain lines elsewhere, one line for a failure. */

/** A trouble with a remedy: printed as one line, without a stack trace. */
export class SetupError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "SetupError";
  }
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 100;

const secondsSince = (startedMs) => `${((performance.now() - startedMs) / 1000).toFixed(0)} s`;

/** Says that `what` is going on until the returned function is called with how it ended. */
export function saying(what) {
  const startedMs = performance.now();
  if (!process.stdout.isTTY) {
    process.stdout.write(`${what} …\n`);
    return (ended) => process.stdout.write(`${what}: ${ended} (${secondsSince(startedMs)})\n`);
  }
  let frame = 0;
  const draw = () => process.stdout.write(`\r\x1b[2K${FRAMES[frame++ % FRAMES.length]} ${what} ${secondsSince(startedMs)}`);
  draw();
  const timer = setInterval(draw, FRAME_MS);
  return (ended) => {
    clearInterval(timer);
    process.stdout.write(`\r\x1b[2K${what}: ${ended} (${secondsSince(startedMs)})\n`);
  };
}

/** Ends the set-up with exit code 1 and one line; only a bug of ours shows its stack. */
export function fail(thrown) {
  const known = thrown instanceof SetupError;
  process.stderr.write(`nereid: ${known ? thrown.message : (thrown?.stack ?? String(thrown))}\n`);
  process.exitCode = 1;
}
