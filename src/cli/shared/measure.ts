/** @file Timing that can be believed: contenders take turns, so a busy moment hits all of them; medians, not means. */

export interface Contender {
  name: string;
  /** Does the work once. */
  run(): unknown;
  /** Milliseconds of the last run by the contender's own clock, for one that works in another process. */
  took?(): number;
}

export interface Timing {
  name: string;
  median: number; // ms
  p90: number;
  best: number;
  runs: number;
}

export interface MeasureOptions {
  /** Wall-clock budget of all contenders together, after warm-up. */
  seconds?: number;
  /** Rounds at least, whatever the budget says, so that a median means something. */
  leastRounds?: number;
  /** Untimed calls each: engines compile hot loops only after a few. */
  warmUp?: number;
}

/** Runs A B C, A B C, … until the time is over. A contender may be asynchronous. */
export async function takeTurns(contenders: readonly Contender[], options: MeasureOptions = {}): Promise<Timing[]> {
  const { seconds = 2, leastRounds = 5, warmUp = 3 } = options;
  for (let n = 0; n < warmUp; n++) for (const { run } of contenders) await run();
  const times = contenders.map((): number[] => []);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end || times[0]!.length < leastRounds) {
    for (const [n, { run, took }] of contenders.entries()) {
      const begin = performance.now();
      await run();
      times[n]!.push(took?.() ?? performance.now() - begin);
    }
  }
  return contenders.map(({ name }, n) => summary(name, times[n]!));
}

function summary(name: string, times: number[]): Timing {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { name, median: at(0.5), p90: at(0.9), best: sorted[0]!, runs: sorted.length };
}
