/** `node wire-echo-program.ts ADDRESS CERT KEY`: the far end of a hop, which sends each frame of the wire back. */
import { systemClock } from "../../core/clock.ts";
import { watchMutualTls } from "../../core/mutual-tls.ts";
import { listen } from "../../core/wire/connection.ts";

const [address = "", cert = "", key = ""] = process.argv.slice(2);
using tls = await watchMutualTls(
  { ca: cert, cert, key },
  { clock: systemClock, warn: ({ message }) => process.stderr.write(`${message}\n`) },
);
await using echo = await listen(address, { payloadBytesMax: 2 ** 20, tls }, (connection) => {
  connection.listener = {
    frame: ({ payload, ...head }) => connection.send(head, [payload]),
    gone: () => {},
  };
});
process.stdout.write(`listening at ${echo.address}\n`);
await new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
