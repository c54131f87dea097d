/** @file Runs the built command line as a user does, in a process of its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../goldens/where.js";

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/** `qkv …args`, without colours, 80 columns wide. */
export function qkv(args: readonly string[], env: Record<string, string> = {}): Ran {
  // Node warns when both are set, and the test runner sets the second.
  const { FORCE_COLOR: _forced, ...own } = process.env;
  const ran = spawnSync(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
    encoding: "utf8",
    env: { ...own, NO_COLOR: "1", COLUMNS: "80", ...env },
    maxBuffer: 2 ** 28,
    timeout: 120_000, // a command that hangs is a failure, not a wait
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

/** A folder that is gone when the work is done. */
export function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "qkv-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
