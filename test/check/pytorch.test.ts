/** @file PyTorch's attention through the pipe, where a Python with torch is to be had (`QKV_PYTHON` names one). */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../goldens/where.js";

const python = process.env["QKV_PYTHON"] ?? "python3";
const has = spawnSync(python, ["-c", "import torch"], { timeout: 60_000 }).status === 0;
if (!has) console.warn(`PyTorch's attention is not checked: ${python} has no torch; QKV_PYTHON names another.`);

test.skipIf(!has)("PyTorch's attention has no error and no warning: its known differences are conventions", () => {
  const program = join(root, "examples/check-protocol/pytorch.py");
  const ran = spawnSync(
    process.execPath,
    [join(root, "dist/cli/main.js"), "check", "--command", `${python} ${program}`, "--json"],
    {
      encoding: "utf8",
      timeout: 110_000,
    },
  );
  const { ok, findings } = JSON.parse(ran.stdout);
  expect(ran.status).toBe(0);
  expect(ok).toBe(true);
  expect([...new Set(findings.map((f: { severity: string }) => f.severity))]).toEqual(["info"]);
  expect(findings.map((f: { rule: string }) => f.rule)).toContain("causal-alignment");
});
