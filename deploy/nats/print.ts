/** Prints the configuration of a NATS server: `node deploy/nats/print.ts gateway [serving-gateway] NODE… > nats.conf`. */
import { natsConfiguration } from "./configuration.ts";

process.stdout.write(natsConfiguration(process.argv.slice(2)));
