/** A checkpoint in parts: the same weights in three files under an index give the golden numbers too. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadModel } from "../../src/models/index.js";
import { readSafetensors, writeSafetensors } from "../../src/tensor/index.js";
import { forwardTests, generateTests } from "./model-cases.js";
import { type GoldenCase, goldenSets } from "./where.js";

const folders: string[] = [];
afterAll(() => folders.forEach((f) => rmSync(f, { recursive: true, force: true })));

/** The case's model with its tensors dealt out to `count` files, as save_pretrained(max_shard_size=…) does. */
function inParts({ folder }: GoldenCase, count: number): string {
  const to = mkdtempSync(join(tmpdir(), "qkv-parts-"));
  folders.push(to);
  cpSync(join(folder, "model/config.json"), join(to, "config.json"));
  const whole = readSafetensors(readFileSync(join(folder, "model/model.safetensors")));
  const file = (n: number): string => `model-0000${n + 1}-of-0000${count}.safetensors`;
  const weight_map = Object.fromEntries(whole.names.map((name, i) => [name, file(i % count)]));
  for (let n = 0; n < count; n++) {
    const names = whole.names.filter((_, i) => i % count === n);
    writeFileSync(join(to, file(n)), writeSafetensors(names.map((name) => ({ name, value: whole.tensor(name) }))));
  }
  writeFileSync(join(to, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map }));
  return to;
}

const one = goldenSets("llama").find((c) => c.id.endsWith("gqa-4q2kv"))!;

describe(`${one.id} in three files`, async () => {
  const folder = inParts(one, 3);
  const golden = readSafetensors(readFileSync(join(one.folder, "golden.safetensors")));
  const files = { model: await loadModel(folder), golden, tensors: one.about.tensors };
  forwardTests(files);
  generateTests(files);

  test("a part that is not there is named", async () => {
    const short = inParts(one, 3);
    const gone = join(short, "model-00002-of-00003.safetensors");
    rmSync(gone);
    await expect(loadModel(short)).rejects.toThrow(
      `loadModel: ${gone} is not there; expected all 3 parts that model.safetensors.index.json names. Fix: copy it into the folder, or fetch the model anew: qkv get ORG/NAME.`,
    );
  });

  test("progress counts the bytes of all parts, once", async () => {
    const seen: [number, number][] = [];
    await loadModel(folder, { onProgress: (done, total) => seen.push([done, total]) });
    const [done, total] = seen.at(-1)!;
    expect(done).toBeCloseTo(total, 6);
    expect(seen.every(([d], i) => i === 0 || d > seen[i - 1]![0])).toBe(true);
  });
});
