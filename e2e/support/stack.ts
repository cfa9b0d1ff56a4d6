// The servers below the shop, for tests that break one of them. They are ours to break only when they are the
// ones that docker/native/servers.sh has started in the folder CLICKSHOP_DATA (as ./test.sh does).
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

/** Whether this run may stop and start a server. */
export function ours(): boolean {
  const data = process.env.CLICKSHOP_DATA;
  return !!data && existsSync(join(data, "run", "broker2.pid"));
}

/** `start` (waits until it serves) or `kill9` of one server; `up` starts whatever does not run. */
export function server(verb: "up" | "start" | "kill9", ...part: string[]): void {
  execFileSync("bash", [join(root, "docker", "native", "servers.sh"), verb, ...part], {
    stdio: "pipe",
    timeout: 120_000,
  });
}
