/**
 * @file Which mechanism pays: each is run beside exact attention on the same operands, warmed and interleaved, and what
 * is reported was measured here. Nothing is extrapolated; a length at which a mechanism was not run has no row.
 */
import { kernelInForce } from "../../kernels/current.js";
import { OptionError, type Tensor, tensor } from "../../tensor/index.js";
import { type Candidate, candidates } from "./candidates.js";
import { normals } from "../../tensor/random.js";

/** Operands of one length: q, k [1, H, L, D], v [1, H, L, Dv]. */
export interface Operands {
  q: Tensor;
  k: Tensor;
  v: Tensor;
}

export interface CompareOptions {
  /** Lengths in tokens, ascending. */
  lengths: readonly number[];
  /** Default 1, of 64 numbers. */
  heads?: number;
  headDim?: number;
  /** Default true, as in a language model; mechanisms that cannot be causal are then left out. */
  causal?: boolean;
  /** Names of `candidates`; default all that fit. */
  mechanisms?: readonly string[];
  /** Timed runs of each, in turns; fewer, but at least one, where they would take longer than `budget`. Default 5. */
  repeats?: number;
  /** Milliseconds for the timed runs of one mechanism at one length; default 2,000. */
  budget?: number;
  /** Where operands come from: default normal numbers, so that scores have deviation 1; a model's own q, k and v say more. */
  operands?: (length: number) => Operands;
  seed?: number;
  /** Milliseconds now. */
  clock?: () => number;
  onProgress?: (done: number, of: number, what: string) => void;
}

/** One mechanism at one length. */
export interface Measurement {
  mechanism: string;
  /** Its options as JSON. */
  options: string;
  length: number;
  /** Median, 10th and 90th percentile of the timed runs, in milliseconds. */
  milliseconds: number;
  low: number;
  high: number;
  runs: number;
  /** Counted by the code that ran. */
  multiplyAdds: number;
  /** Bytes of intermediate results, counted; the operands and the result are not in it. */
  memory: number;
  /** ‖output − exact‖ / ‖exact‖, against exact attention (reformer: against attention with its own unit keys). */
  error: number;
  /** Share of exact attention's weight that lies on keys the mechanism sees; undefined for mechanisms that mix all keys. */
  massKept: number | undefined;
  /** Adjustments: a padded length. */
  notes: string[];
}

export interface Comparison {
  conditions: {
    kernel: string;
    heads: number;
    headDim: number;
    causal: boolean;
    operands: string;
    repeats: number;
  };
  rows: Measurement[];
  /** From which measured length on a mechanism's best run was faster than exact attention's, at every longer one measured; undefined: at none. */
  crossover: { mechanism: string; length: number | undefined; slowerAt: number | undefined }[];
}

/** Compares. Cost: what is measured, once more for warming up, and twice for error and mass. */
export function compare(options: CompareOptions): Comparison {
  const steps = comparing(options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    options.onProgress?.(step.value.done, step.value.of, step.value.what);
  }
}

/** The same in steps, so that a page or a progress bar can breathe between them. */
export function* comparing(
  options: CompareOptions,
): Generator<{ done: number; of: number; what: string }, Comparison, void> {
  const { lengths, heads = 1, headDim = 64, causal = true, repeats = 5, budget = 2000, seed = 0 } = options;
  const clock = options.clock ?? (() => performance.now());
  checkLengths(lengths);
  const chosen = choose(options.mechanisms, causal);
  const operandsOf = options.operands ?? ((length) => drawn(seed, heads, length, headDim));
  const rows: Measurement[] = [];
  const of = lengths.length * chosen.length * 3;
  let done = 0;
  for (const length of lengths) {
    const operands = operandsOf(length);
    const runners = chosen.map((c) => ({ c, run: runner(c, operands, length, causal) }));
    const times = new Map<string, number[]>();
    for (const { c, run } of runners) {
      yield { done: done++, of, what: `${c.name} at ${length}: warming up` };
      const from = clock();
      run();
      times.set(c.name, [clock() - from]); // replaced below; says how many runs fit the budget
    }
    const planned = new Map(
      runners.map(({ c }) => [
        c.name,
        Math.max(1, Math.min(repeats, Math.floor(budget / Math.max(0.01, times.get(c.name)![0]!)))),
      ]),
    );
    for (const { c } of runners) times.set(c.name, []);
    for (let turn = 0; turn < repeats; turn++) {
      for (const { c, run } of runners) {
        if (turn >= planned.get(c.name)!) continue;
        if (turn === 0) yield { done: done++, of, what: `${c.name} at ${length}: timing` };
        const from = clock();
        run();
        times.get(c.name)!.push(clock() - from);
      }
    }
    for (const { c } of runners) {
      yield { done: done++, of, what: `${c.name} at ${length}: error` };
      rows.push(measured(c, operands, length, causal, times.get(c.name)!));
    }
  }
  const shape = operandsOf === options.operands ? "given" : `normal numbers, seed ${seed}`;
  return {
    conditions: { kernel: kernelInForce().name, heads, headDim, causal, operands: shape, repeats },
    rows,
    crossover: chosen.filter((c) => c.name !== "exact").map((c) => crossover(c.name, rows)),
  };
}

function drawn(seed: number, heads: number, length: number, headDim: number): Operands {
  const shape = [1, heads, length, headDim];
  const one = (n: number) => tensor(normals(seed * 3 + n, heads * length * headDim), shape);
  return { q: one(1), k: one(2), v: one(3) };
}

function runner(c: Candidate, { q, k, v }: Operands, length: number, causal: boolean): () => Tensor {
  return () => c.run(q, c.sharedKeys ? q : k, v, { ...c.options(length), causal });
}

function measured(c: Candidate, operands: Operands, length: number, causal: boolean, times: number[]): Measurement {
  const { q, k, v } = operands;
  const [, heads, , headDim] = q.shape as [number, number, number, number];
  const options = c.options(length);
  const shape = { heads, keyHeads: k.shape[1]!, length, headDim, valueDim: v.shape[3]! };
  const cost = c.cost(shape, { ...options, causal });
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const probe = probes(length, heads === k.shape[1] ? heads : k.shape[1]!);
  const run = (values: Tensor) => runner(c, { q, k, v: values }, length, causal)();
  const exact = (values: Tensor) => c.exact(q, c.sharedKeys ? q : k, values, causal);
  return {
    mechanism: c.name,
    options: JSON.stringify(options),
    length,
    milliseconds: at(0.5),
    low: at(0.1),
    high: at(0.9),
    runs: times.length,
    multiplyAdds: cost.multiplyAdds,
    memory: cost.memory,
    error: c.name === "exact" ? 0 : relative(run(v), exact(v)),
    massKept: c.name === "exact" ? 1 : c.restricts ? kept(run(probe), exact(probe)) : undefined,
    notes: cost.notes,
  };
}

/** One-hot values for up to 32 keys spread over the sequence: an output column is the map's column of that key. */
function probes(length: number, heads: number): Tensor {
  const n = Math.min(32, length);
  const data = new Float32Array(heads * length * n);
  for (let h = 0; h < heads; h++) {
    for (let c = 0; c < n; c++) data[(h * length + Math.floor(((c + 0.5) * length) / n)) * n + c] = 1;
  }
  return tensor(data, [1, heads, length, n]);
}

/** Of the exact weight on the probed keys, the share on pairs that the mechanism sees. */
function kept(seen: Tensor, exact: Tensor): number {
  let [inside, all] = [0, 0];
  for (let n = 0; n < exact.size; n++) {
    all += exact.data[n]!;
    if (seen.data[n] !== 0) inside += exact.data[n]!;
  }
  return inside / all;
}

/** ‖a − b‖ / ‖b‖ */
function relative(a: Tensor, b: Tensor): number {
  let [apart, size] = [0, 0];
  for (let n = 0; n < b.size; n++) {
    apart += (a.data[n]! - b.data[n]!) ** 2;
    size += b.data[n]! ** 2;
  }
  return Math.sqrt(apart / size);
}

/**
 * Best run against best run: whatever else the machine does makes runs slower, never faster, so the best is the steadiest.
 * @internal
 */
export function crossover(mechanism: string, rows: readonly Pick<Measurement, "mechanism" | "length" | "low">[]) {
  const own = rows.filter((r) => r.mechanism === mechanism);
  const exact = new Map(rows.filter((r) => r.mechanism === "exact").map((r) => [r.length, r.low]));
  let length: number | undefined;
  let slowerAt: number | undefined;
  for (const row of own.toReversed()) {
    const against = exact.get(row.length);
    if (against === undefined || row.low >= against) {
      slowerAt = row.length;
      break;
    }
    length = row.length;
  }
  return { mechanism, length, slowerAt };
}

function choose(names: readonly string[] | undefined, causal: boolean): Candidate[] {
  const all = candidates();
  const unknown = names?.find((n) => !all.some((c) => c.name === n));
  if (unknown !== undefined) {
    throw new OptionError({
      where: "compare",
      argument: "options.mechanisms",
      got: `names "${unknown}"`,
      expected: `some of ${all.map((c) => c.name).join(", ")}`,
    });
  }
  const refused = causal ? names?.find((n) => all.find((c) => c.name === n)!.neverCausal) : undefined;
  if (refused !== undefined) {
    throw new OptionError({
      where: "compare",
      argument: "options.mechanisms",
      got: `names "${refused}", which cannot be causal`,
      expected: "causal mechanisms",
      fix: "compare with causal: false (on the command line --bidirectional)",
    });
  }
  return all.filter((c) =>
    names ? c.name === "exact" || names.includes(c.name) : !(causal ? c.neverCausal : c.alwaysCausal),
  );
}

function checkLengths(lengths: readonly number[]): void {
  const wrong = lengths.find((n, i) => !(Number.isInteger(n) && n > 0) || (i > 0 && n <= lengths[i - 1]!));
  if (lengths.length > 0 && wrong === undefined) return;
  throw new OptionError({
    where: "compare",
    argument: "options.lengths",
    got: lengths.length === 0 ? "is empty" : `has ${wrong} in [${lengths.join(", ")}]`,
    expected: "whole numbers above 0, ascending",
  });
}
