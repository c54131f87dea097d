/**
 * @file Whether a processor core is ours alone. Virtual machines share cores: what a neighbour computes on the core's other
 * hyper-thread takes arithmetic units from us, shows in no load figure, and makes one and the same call 1.5 times as slow.
 */

/** Rounds of the probe: about a millisecond. */
const ROUNDS = 300_000;
/** A probe this many times slower than the quickest so far was disturbed; an undisturbed one repeats within 3 %. */
const DISTURBED = 1.1;

/** Eight sums that wait for nothing but the arithmetic units: no memory, no call. Their total, so that they are computed. */
function arithmetic(rounds: number): number {
  let [a, b, c, d, e, f, g, h] = [1, 2, 3, 4, 5, 6, 7, 8];
  for (let i = 0; i < rounds; i++) {
    a = a * 0.999 + 0.5;
    b = b * 0.999 + 0.5;
    c = c * 0.999 + 0.5;
    d = d * 0.999 + 0.5;
    e = e * 0.999 + 0.5;
    f = f * 0.999 + 0.5;
    g = g * 0.999 + 0.5;
    h = h * 0.999 + 0.5;
  }
  return a + b + c + d + e + f + g + h;
}

/** @returns a function that says whether the core is ours alone at this moment; it takes a millisecond */
export function coreWatch(): () => boolean {
  let quickest = Number.POSITIVE_INFINITY;
  const probe = (): number => {
    const begin = performance.now();
    arithmetic(ROUNDS);
    return performance.now() - begin;
  };
  for (let n = 0; n < 40; n++) quickest = Math.min(quickest, probe()); // the first ones are compiled meanwhile
  return () => {
    const took = probe();
    quickest = Math.min(quickest, took);
    return took <= DISTURBED * quickest;
  };
}
