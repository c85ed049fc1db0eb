/** Where a process and all that it has started listen for TCP. Linux. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { familyOf } from "../../../bench/processes.ts";

/** Of /proc/net/tcp: sockets in this state wait for connections. */
const LISTEN = "0A";

/** @returns `HOST:PORT` of each socket; IPv6 addresses are shown as the kernel has them */
export function listeningOf(pid: number): readonly string[] {
  const inodes = new Set(familyOf(pid).flatMap(socketsOf));
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode = ""]) => state === LISTEN && inodes.has(inode))
      .map(([, local = ""]) => addressOf(local)),
  );
}

function socketsOf(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** Four bytes in the machine's order, then the port. */
function addressOf(local: string): string {
  const [host = "", port = ""] = local.split(":");
  const numbers = host.length === 8 ? [...Buffer.from(host, "hex")].toReversed().join(".") : host;
  return `${numbers}:${Number.parseInt(port, 16)}`;
}
