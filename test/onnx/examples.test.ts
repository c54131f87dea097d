/** @file The examples about ONNX run, and word alignment finds a path that is known. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
// @ts-expect-error a script without types
import { medianOverTime, normalisedOverTokens, pathFrames, tokenFrames } from "../../examples/onnx/word-times.mjs";
import { openOnnx } from "../../src/onnx/index.js";
import { onnxCase } from "../goldens/onnx-case.js";
import { goldenSets, root } from "../goldens/where.js";

describe("word alignment", () => {
  /** Three heads: two that follow the words, with a peak in the middle of each, and one that always hears the start. */
  const lengths = [4, 7, 3, 9, 5];
  const frames = lengths.reduce((a, b) => a + b, 0);
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
  const follows = (t: number, f: number, noise: number): number =>
    (f >= starts[t]! && f < starts[t]! + lengths[t]! ? 1 : 0.02) + noise * Math.abs(Math.sin(17 * t + 5 * f));
  const rows = [0, 1, 2].flatMap((head) =>
    lengths.flatMap((_, t) => {
      const row = Array.from({ length: frames }, (_, f) => (head === 2 ? (f === 0 ? 50 : 0.01) : follows(t, f, 0.2)));
      const sum = row.reduce((a, b) => a + b, 0);
      return row.map((x) => x / sum);
    }),
  );
  const map = { data: rows, shape: [1, 3, lengths.length, frames] };
  const expected = lengths.map((n, i) => ({ from: starts[i]!, to: starts[i]! + n }));

  test("heads that follow the words give each token its frames", () => {
    const heads = [
      [0, 0],
      [0, 1],
    ];
    expect(tokenFrames([map], { heads, width: 3 })).toEqual(expected);
  });

  test("a head that hears the first frame whatever the token takes no part, since columns are normalised", () => {
    expect(tokenFrames([map], { width: 3 })).toEqual(expected);
  });

  test("normalised columns have mean 0 and deviation 1; a column in which all are equal becomes 0", () => {
    const out = normalisedOverTokens([1, 5, 3, 5], 2, 2);
    expect([...out]).toEqual([-1, 0, 1, 0]);
  });

  test("a median of three takes a single spike out and mirrors the ends", () => {
    expect([...medianOverTime([9, 1, 2, 8, 3], 1, 5, 3)]).toEqual([1, 2, 2, 3, 8]);
    expect(() => medianOverTime([1], 1, 1, 4)).toThrow("an odd number is needed");
  });

  test("the path is the best of all monotone ones, held against every one of them", () => {
    const [tokens, columns] = [3, 5];
    const gain = Float64Array.from({ length: tokens * columns }, (_, i) => Math.sin(i * 12.9898) * 3);
    const all = (t: number, f: number): number =>
      gain[t * columns + f]! +
      (t === tokens - 1 && f === columns - 1
        ? 0
        : Math.max(
            t + 1 < tokens ? all(t + 1, f) : -Infinity,
            f + 1 < columns ? all(t, f + 1) : -Infinity,
            t + 1 < tokens && f + 1 < columns ? all(t + 1, f + 1) : -Infinity,
          ));
    const path: { from: number; to: number }[] = pathFrames(gain, tokens, columns);
    const sum = path.reduce(
      (n, { from, to }, t) => n + gain.slice(t * columns + from, t * columns + to).reduce((a, b) => a + b, 0),
      0,
    );
    expect(sum).toBeCloseTo(all(0, 0), 9);
    expect([path[0]!.from, path.at(-1)!.to]).toEqual([0, columns]);
  });
});

const built = existsSync(join(root, "dist/onnx/index.js"));
const run = (example: string, ...args: string[]): string =>
  execFileSync(process.execPath, [join(root, "examples/onnx", example), ...args], {
    encoding: "utf8",
    cwd: root,
    timeout: 60_000,
  });
const golden = (name: string) => goldenSets("onnx-models").find((c) => c.id.includes(name));

describe.skipIf(!built)("examples", () => {
  const whisper = golden("whisper");
  test.skipIf(!whisper)("words of a Whisper export: times that never go back and cover the sound", async () => {
    const c = onnxCase(whisper!);
    const { data, shape } = c.feeds["input_features"]!;
    const [, bins, frames] = shape as [number, number, number];
    const folder = mkdtempSync(join(tmpdir(), "qkv-words-"));
    try {
      const features = join(folder, "features.f32");
      writeFileSync(
        features,
        new Uint8Array(Float32Array.from((data as Float32Array).subarray(0, bins * frames)).buffer),
      );
      const ids = [...(c.feeds["decoder_input_ids"]!.data as BigInt64Array)].slice(0, 4).map(Number);
      const lines = run("whisper-words.mjs", c.path, features, ids.join(",")).trim().split("\n");
      const times = lines.map((l) => /^token (\d+): ([\d.]+) – ([\d.]+) s$/.exec(l)!.slice(1).map(Number));
      expect(times.map(([id]) => id)).toEqual(ids);
      expect(times[0]![1]).toBe(0);
      expect(times.at(-1)![2]).toBeCloseTo((frames / 2) * 0.02, 9); // 24 frames of features are 12 of the encoder
      for (let i = 1; i < times.length; i++) expect(times[i]![1]).toBeGreaterThanOrEqual(times[i - 1]![1]!);
      // The same from the maps of Hugging Face's own run.
      const maps = [0, 1].map((layer) => {
        const t = c.golden.tensor(`attention.cross.${layer}`);
        return { data: t.data.subarray(0, t.data.length / t.shape[0]!), shape: [1, ...t.shape.slice(1)] };
      });
      expect(times.map(([, from, to]) => [from, to])).toEqual(
        tokenFrames(maps).map(({ from, to }: { from: number; to: number }) =>
          [from, to].map((f) => Number((f * 0.02).toFixed(2))),
        ),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("a picture: every head of the last layer draws its patches", async () => {
    const { path } = onnxCase(golden("vit")!);
    const text = run("picture.mjs", path);
    const { attentions } = await openOnnx(path);
    expect(text.match(/^head \d+$/gm)).toHaveLength(attentions.at(-1)!.heads!);
    expect(text).toContain("█");
  });
});
