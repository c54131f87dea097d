/** @file ALiBi: scores fall by slope · distance, no positions are embedded. Press et al. 2022 (arXiv:2108.12409) §3. */

/**
 * One slope per head: 2^(−8/n), 2^(−16/n) … for n heads, n a power of two. Other counts take the slopes of the power
 * of two below, then every other slope of the one above, as the authors' code does.
 * @example
 * alibiSlopes(8)[0]  // 0.5
 * alibiSlopes(3)  // [0.0625, 0.00390625, 0.25]
 */
export function alibiSlopes(heads: number): number[] {
  const below = 2 ** Math.floor(Math.log2(heads));
  const geometric = (n: number): number[] => Array.from({ length: n }, (_, h) => 2 ** ((-8 / n) * (h + 1)));
  const extra = geometric(2 * below).filter((_, h) => h % 2 === 0);
  return [...geometric(below), ...extra].slice(0, heads);
}
