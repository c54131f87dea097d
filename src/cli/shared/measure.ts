/** @file Timing that can be believed: contenders take turns, so a busy moment hits all of them; medians, not means. */

export interface Contender {
  name: string;
  /** Does the work once. */
  run(): unknown;
  /** Takes a whole turn by the contender's own clock, for one that works in another process: milliseconds of what counts. */
  turn?(limits: TurnLimits): Promise<number[]>;
}

/**
 * One turn. Its first call is not counted: it brings back to the caches what others pushed out, as the call before does
 * for a program that has nothing else to do. Calls longer than `warm` need no such call: caches fill within a millisecond.
 */
export interface TurnLimits {
  /** Milliseconds of counted calls after which a turn ends. */
  milliseconds: number;
  /** Counted calls at most. */
  calls: number;
  /** Milliseconds of the first call beyond which it counts itself, and is all of the turn. */
  warm: number;
}

export const turnLimits: TurnLimits = { milliseconds: 20, calls: 20, warm: 100 };

export interface Timing {
  name: string;
  median: number; // ms
  p90: number;
  best: number;
  runs: number; // counted calls
  turns: number;
}

export interface MeasureOptions {
  /** Wall-clock budget of all contenders together, after warm-up. */
  seconds?: number;
  /** Rounds at least, so that a median means something, unless they would take `PATIENCE` times the budget. */
  leastRounds?: number;
  /** Called after each turn, outside of what is timed. */
  afterTurn?(): void;
}

/** Calls and milliseconds of each contender before anything counts: engines compile hot loops only after a few calls. */
const WARM_UP = { calls: 20, milliseconds: 150 };
/** Rounds whatever they take. */
const ROUNDS_OF_SLOW_WORK = 3;
const PATIENCE = 3;
/** A contender this many times slower than the fastest takes part in every `SITS_OUT`th round only. */
const SLOW = 10;
const SITS_OUT = 4;

/** Turns of A B C, A B C, … until the time is over. A contender may be asynchronous. */
export async function takeTurns(contenders: readonly Contender[], options: MeasureOptions = {}): Promise<Timing[]> {
  const { seconds = 2, leastRounds = 9, afterTurn } = options;
  const firsts: number[] = [];
  for (const contender of contenders) firsts.push(await warmUp(contender));
  const slow = firsts.map((first) => first > SLOW * Math.min(...firsts));
  const times = contenders.map((): number[] => []);
  const turns = contenders.map(() => 0);
  const begin = performance.now();
  for (let round = 0; ; round++) {
    const passed = (performance.now() - begin) / 1000;
    const least = passed > PATIENCE * seconds ? Math.min(ROUNDS_OF_SLOW_WORK, leastRounds) : leastRounds;
    if (round >= least && passed >= seconds) break;
    for (const [n, contender] of contenders.entries()) {
      if (slow[n] && round % SITS_OUT !== 0) continue;
      turns[n]!++;
      times[n]!.push(...(await turnOf(contender)));
      afterTurn?.();
    }
  }
  return contenders.map(({ name }, n) => summary(name, times[n]!, turns[n]!));
}

/** One turn of calls that say how many milliseconds they took. */
export async function repeat(call: () => number | Promise<number>, limits: TurnLimits): Promise<number[]> {
  const first = await call();
  if (first > limits.warm) return [first];
  const times: number[] = [];
  for (let total = 0; times.length === 0 || (total < limits.milliseconds && times.length < limits.calls); ) {
    const took = await call();
    times.push(took);
    total += took;
  }
  return times;
}

async function turnOf({ run, turn }: Contender, limits = turnLimits): Promise<number[]> {
  if (turn) return turn(limits);
  return repeat(async () => {
    const begin = performance.now();
    const made = run();
    if (made instanceof Promise) await made; // a synchronous call is timed without a turn of the event loop
    return performance.now() - begin;
  }, limits);
}

/** @returns milliseconds of the quickest call */
async function warmUp(contender: Contender): Promise<number> {
  const { calls, milliseconds } = WARM_UP;
  return Math.min(...(await turnOf(contender, { milliseconds, calls, warm: milliseconds })));
}

function summary(name: string, times: number[], turns: number): Timing {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { name, median: at(0.5), p90: at(0.9), best: sorted[0]!, runs: times.length, turns };
}
