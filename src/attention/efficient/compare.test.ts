import { describe, expect, test } from "vitest";
import { defaultKernel, referenceKernel, withOperations } from "../../kernels/index.js";
import { candidates } from "./candidates.js";
import { compare, crossover } from "./compare.js";
import { distance, normal } from "./testing.js";

/** A clock that advances by one each time it is read: every run takes 1 ms. */
const ticking = () => {
  let now = 0;
  return () => now++;
};

describe("compare", () => {
  const measured = compare({ lengths: [40, 80], headDim: 8, repeats: 3, clock: ticking() });

  test("has a row for each causal mechanism at each length, exact attention among them", () => {
    const names = candidates()
      .filter((c) => !c.neverCausal)
      .map((c) => c.name);
    expect(measured.rows.map((r) => `${r.mechanism} ${r.length}`)).toEqual(
      [40, 80].flatMap((n) => names.map((m) => `${m} ${n}`)),
    );
    for (const row of measured.rows) expect(row.runs).toBe(3);
  });
  test("what sees every key keeps all of the mass and has no error", () => {
    for (const name of ["exact", "slidingWindow", "longformer", "topKBlocks", "streaming"]) {
      const row = measured.rows.find((r) => r.mechanism === name)!; // windows of 128 over 40 tokens
      expect(row.massKept, name).toBe(1);
      expect(row.error, name).toBeLessThan(1e-5);
    }
  });
  test("what sees less keeps less, and a replacement has no mass to speak of", () => {
    const of = (name: string) => measured.rows.find((r) => r.mechanism === name && r.length === 80)!;
    expect(of("fixed").massKept).toBeLessThan(0.9);
    expect(of("fixed").error).toBeGreaterThan(0.01);
    expect(of("linearAttention").massKept).toBeUndefined();
  });
  test("crossover: the length from which on a mechanism is faster, and the last one at which it is not", () => {
    // Runs of 1 ms for all are a tie, and a tie is no gain.
    expect(measured.crossover.every((c) => c.length === undefined && c.slowerAt === 80)).toBe(true);
    const rows = (times: number[], mechanism: string) => times.map((low, n) => ({ mechanism, length: 64 << n, low }));
    const exact = rows([1, 4, 16, 64], "exact");
    const of = (...times: number[]) => crossover("x", [...exact, ...rows(times, "x")]);
    expect(of(3, 6, 12, 24)).toEqual({ mechanism: "x", length: 256, slowerAt: 128 });
    expect(of(0.5, 1, 2, 4)).toEqual({ mechanism: "x", length: 64, slowerAt: undefined });
    expect(of(0.5, 6, 2, 99)).toEqual({ mechanism: "x", length: undefined, slowerAt: 512 });
  });
  test("unknown names, mechanisms that cannot be causal and bad lengths are refused", () => {
    const said = (options: Parameters<typeof compare>[0]) => {
      try {
        compare(options);
        return "nothing";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(said({ lengths: [8], mechanisms: ["flash"] })).toBe(
      'compare: options.mechanisms names "flash"; expected some of exact, slidingWindow, strided, fixed, longformer, bigBird, topKBlocks, streaming, reformer, linformer, performer, linearAttention.',
    );
    expect(said({ lengths: [8], mechanisms: ["linformer"] })).toBe(
      'compare: options.mechanisms names "linformer", which cannot be causal; expected causal mechanisms. Fix: compare with causal: false (on the command line --bidirectional).',
    );
    expect(said({ lengths: [8, 8] })).toBe(
      "compare: options.lengths has 8 in [8, 8]; expected whole numbers above 0, ascending.",
    );
    expect(said({ lengths: [] })).toBe("compare: options.lengths is empty; expected whole numbers above 0, ascending.");
  });
});

describe("the fast kernel", () => {
  // Errors of float32 sums over up to 150 numbers; Linformer's projected keys are √r times larger than the others' numbers.
  test.each(candidates().map((c) => [c.name, c] as const))("%s gives the reference's numbers", (_, c) => {
    const [q, k, v] = [normal(1, 1, 2, 150, 16), normal(2, 1, 2, 150, 16), normal(3, 1, 2, 150, 16)];
    for (const causal of [false, true]) {
      if ((causal && c.neverCausal) || (!causal && c.alwaysCausal)) continue;
      const run = () => c.run(q, c.sharedKeys ? q : k, v, { ...c.options(150), causal });
      const want = withOperations(referenceKernel(), run);
      expect(distance(withOperations(defaultKernel(), run), want)).toBeLessThan(c.name === "linformer" ? 1e-4 : 1e-5);
    }
  });
});
