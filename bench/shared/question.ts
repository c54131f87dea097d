/** @file A question of the benchmarks: contenders that compute the same, and how far each is from float64. */
import { coreWatch } from "./core.js";
import {
  type Contender,
  type MeasureOptions,
  takeTurns,
  type Timing,
  type TurnLimits,
} from "../../src/cli/shared/measure.js";

/** A contender that gives its numbers, to be compared with the exact ones. */
export interface Entry extends Contender {
  run(): ArrayLike<number> | Promise<ArrayLike<number>>;
}

/** A contender that measures itself: in another process, or because only a part of its work counts. */
export interface Timed {
  turn(limits: TurnLimits): Promise<number[]>;
  result(): Promise<ArrayLike<number>>;
}

export interface Case {
  title: string;
  flop: number;
  threads: number;
  /**
   * Ours first; each is opened when the case begins, a peer that cannot be had is named with the reason. `flop`: of one that
   * does another work, to stand beside.
   */
  entries: readonly { name: string; flop?: number; open(): Promise<Entry["run"] | Timed> | Entry["run"] }[];
  /** What a run gets through, where operations a second say less: 16 sentences, 24 tokens. */
  work?: { count: number; unit: string };
  /** Some of the exact numbers: index → value. */
  exact?: ReadonlyMap<number, number>;
  options?: MeasureOptions;
}

export interface Line extends Timing {
  gflops: number;
  /** This one's time ÷ ours: above 1, ours is faster. */
  ratio: number;
  error: number | null;
}

/** Where and when an answer was measured. */
export interface Conditions {
  cpu: string;
  processors: number;
  system: string;
  /** "Node 24.1.0", "Chromium 140.0". */
  runtime: string;
  threads: number;
  load: number;
  date: string;
}

export interface Answer {
  question: string;
  title: string;
  conditions: Conditions;
  work?: Case["work"];
  /** Share of the turns after which the core was ours alone, 0–1. */
  coreAlone?: number;
  lines: Line[];
  missing: string[];
}

export async function ask(question: string, one: Case, seconds: number, about: Conditions): Promise<Answer> {
  const contenders: (Entry & { flop: number })[] = [];
  const missing: string[] = [];
  for (const { name, flop = one.flop, open } of one.entries) {
    try {
      const opened = await open();
      const entry =
        typeof opened === "function" ? { name, flop, run: opened } : { name, flop, run: opened.result, ...opened };
      await warm(entry.run);
      contenders.push(entry);
    } catch (error) {
      missing.push(
        `${name}: ${String((error as Error).message)
          .split("\n")[0]!
          .slice(0, 160)}`,
      );
    }
  }
  const alone = coreWatch();
  const seen: boolean[] = [];
  const afterTurn = (): void => void seen.push(alone());
  const timings = await takeTurns(contenders, { seconds, ...one.options, afterTurn });
  const coreAlone = seen.filter(Boolean).length / seen.length;
  const lines: Line[] = [];
  for (const [n, timing] of timings.entries()) {
    const contender = contenders[n]!;
    const got = await contender.run();
    let error: number | null = one.exact ? 0 : null;
    for (const [at, want] of one.exact ?? []) error = Math.max(error!, Math.abs(got[at]! - want));
    lines.push({
      ...timing,
      gflops: contender.flop / timing.median / 1e6,
      ratio: timing.median / timings[0]!.median,
      error,
    });
  }
  return {
    question,
    title: one.title,
    conditions: about,
    ...(one.work && { work: one.work }),
    coreAlone,
    lines,
    missing,
  };
}

/** Compilers of WebAssembly and JavaScript take their time: what follows is measured after they are done with everybody. */
const warmUp = 400; // ms

async function warm(run: Entry["run"]): Promise<void> {
  const start = performance.now();
  do await run();
  while (performance.now() - start < warmUp);
}

/** " · core ours alone 62 % of the time", or nothing for an answer that does not know. */
export const coreShare = ({ coreAlone }: Answer): string =>
  coreAlone === undefined ? "" : ` · core ours alone ${Math.round(100 * coreAlone)} % of the time`;

const ms = (t: number): string => `${t.toFixed(t < 10 ? 3 : 1)} ms`;

/** Name of the column that tells how much gets done, and what stands in it. */
export function pace({ work }: Answer, { gflops, median }: Line): [name: string, value: string] {
  return work ? [`${work.unit}/s`, ((1000 * work.count) / median).toFixed(1)] : ["GFLOP/s", gflops.toFixed(1)];
}

/** The answer as lines of text, conditions first. */
export function print(answer: Answer): string {
  const { title, conditions: c, lines, missing } = answer;
  const head = `${title} · ${lines[0]?.turns ?? 0} interleaved turns · ${c.cpu}, ${c.threads} thread${c.threads > 1 ? "s" : ""}, ${c.runtime}, load ${c.load}${coreShare(answer)}`;
  const row = (cells: string[]): string =>
    cells.map((cell, n) => (n === 0 ? cell.padEnd(30) : cell.padStart(13))).join("");
  return [
    head,
    row(["kernel", "median", "p90", "best", "runs", lines[0] ? pace(answer, lines[0])[0] : "", "÷ ours", "max |Δ|"]),
    ...lines.map((l) =>
      row([
        l.name,
        ms(l.median),
        ms(l.p90),
        ms(l.best),
        String(l.runs),
        pace(answer, l)[1],
        `${l.ratio.toFixed(2)}×`,
        l.error === null ? "–" : l.error.toExponential(1),
      ]),
    ),
    ...missing.map((m) => `not here – ${m}`),
  ].join("\n");
}
