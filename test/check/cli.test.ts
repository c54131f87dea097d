import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { command } from "../../src/cli/check.js";
import { report } from "../../src/cli/shared/run.js";
import { root } from "../goldens/where.js";

const folder = mkdtempSync(join(tmpdir(), "qkv-check-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ours = (
  body: string,
) => `export default (q, k, v, o = {}) => { const [B, H, Lq, D] = q.shape, Lk = k.shape[2], Dv = v.shape[3];
  const out = new Float32Array(B * H * Lq * Dv); ${body} return { data: out, shape: [B, H, Lq, Dv] }; };`;

beforeAll(() => {
  writeFileSync(join(folder, "hangs.mjs"), ours("while (o.causal) {}"));
  writeFileSync(join(folder, "dies.cjs"), "exports.default = () => process.exit(7);");
  const own = JSON.stringify(join(root, "src/attention/index.ts"));
  writeFileSync(
    join(folder, "tensors.mjs"),
    `import { attention } from ${own};\nexport default async (q, k, v, o) => attention(q, k, v, o);`,
  );
  writeFileSync(join(folder, "nothing.mjs"), "export const x = 1;");
  writeFileSync(join(folder, "broken.ts"), "export default function (q: number {");
  writeFileSync(
    join(folder, "model.mjs"),
    "export const config = { vocabSize: 9, causal: true }; export const forward = (ids) => ids.map((row) => row.map((_, t) => [row.slice(t).reduce((a, x) => a + x, 0), 1]));",
  );
});

async function run(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ["", ""];
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation((s) => {
      out += String(s);
      return true;
    }),
    vi.spyOn(console, "log").mockImplementation((s) => void (out += `${s}\n`)),
    vi.spyOn(console, "error").mockImplementation((s) => void (error += `${s}\n`)),
    vi.spyOn(process.stderr, "write").mockImplementation((s) => {
      error += String(s);
      return true;
    }),
  ];
  let code = 0;
  try {
    await command().exitOverride().parseAsync(args, { from: "user" });
  } catch (e) {
    code = report(e);
  } finally {
    for (const s of spies) s.mockRestore();
  }
  return { code, out, error };
}

const example = (name: string) => join(root, "examples", name);

test("the tutorial's function: its mistakes by name, exit code 1", async () => {
  const { code, out } = await run(example("tutorial-attention-axes.ts"), "--json");
  const { ok, findings } = JSON.parse(out);
  expect(findings.map((f: { rule: string }) => f.rule)).toEqual([
    "softmax-missing",
    "mask-multiplied-before-softmax",
    "causal-reversed",
    "mask-ignored",
  ]);
  expect([ok, code]).toEqual([false, 1]);
});

test("the corrected one: exit code 0 and a line of text", async () => {
  const { code, out } = await run(example("tutorial-attention-corrected.ts"));
  expect(out).toMatch(/✔ \d+ rules hold/);
  expect(code).toBe(0);
});

test("a Python program over the pipe has no finding", async () => {
  const { code, out } = await run(example("check-protocol/attention.py"), "--json", "--time-limit", "60");
  expect(JSON.parse(out).findings).toEqual([]);
  expect(code).toBe(0);
});

test("an HTTP endpoint has no finding", async () => {
  const { server } = (await import(example("check-protocol/server.mjs"))) as { server: import("node:http").Server };
  await new Promise<void>((done) => server.listen(0, done));
  const { port } = server.address() as { port: number };
  const { out } = await run(`http://localhost:${port}`, "--json");
  server.closeAllConnections();
  server.close();
  expect(JSON.parse(out).findings).toEqual([]);
});

test("an endless loop is a finding and not a hang", async () => {
  const { code, out } = await run(
    join(folder, "hangs.mjs"),
    "--json",
    "--time-limit",
    "1",
    "--rule",
    "hangs,future-leak",
  );
  expect(JSON.parse(out).findings[0].rule).toBe("hangs");
  expect(code).toBe(1);
});

test("a process that ends is a finding", async () => {
  const { out } = await run(join(folder, "dies.cjs"), "--json", "--rule", "hangs");
  expect(JSON.parse(out).findings[0]).toMatchObject({ rule: "hangs", message: expect.stringContaining("code 7") });
});

test("a module that gives back this library's tensors: its numbers pass between processes, not its memory", async () => {
  const { out, code } = await run(join(folder, "tensors.mjs"), "--json", "--time-limit", "20");
  expect(JSON.parse(out).findings).toEqual([]);
  expect(code).toBe(0);
});

test("a model's module is found to be one", async () => {
  const { out } = await run(join(folder, "model.mjs"), "--json");
  expect(JSON.parse(out).findings[0].rule).toBe("causal-reversed");
});

test("SARIF and JUnit say the same", async () => {
  const sarif = JSON.parse(
    (await run(example("tutorial-attention-axes.ts"), "--sarif", "--rule", "softmax-missing")).out,
  );
  expect(sarif.runs[0].results[0]).toMatchObject({ ruleId: "softmax-missing", level: "error" });
  const { out } = await run(example("tutorial-attention-axes.ts"), "--junit", "--rule", "softmax-missing");
  expect(out).toContain(
    '<failure message="The function uses the scores as weights, without a softmax." type="softmax-missing">',
  );
});

test.each([
  [[join(folder, "nothing.mjs")], /exports x; expected a default export/],
  [[join(folder, "broken.ts")], /could not be loaded/],
  [[join(folder, "absent.ts")], /is not there/],
  [[], /TARGET is missing/],
  [["x.ts", "--seed", "a"], /--seed/],
  [[example("tutorial-attention-axes.ts"), "--rule", "scale-mising"], /did you mean "scale-missing"/],
])("bad use is one line and exit code 2: %j", async (args, words) => {
  const { code, error } = await run(...args);
  expect(error).toMatch(words);
  expect(error.trim().split("\n")).toHaveLength(1);
  expect(code).toBe(2);
});

test("--list names every rule, --explain tells one", async () => {
  expect((await run("--list")).out).toContain("mask-head-order");
  expect((await run("--explain", "dead-row-nan")).out).toContain("! ! !");
});
