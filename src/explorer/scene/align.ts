/** @file Two token sequences laid side by side: which position of one belongs to which of the other. */

/**
 * Longest common subsequence by dynamic programming (edit distance without substitutions).
 * @returns pairs [i, j] of equal tokens, ascending in both. Cost: |a|·|b| numbers.
 */
export function alignTokens(a: readonly string[], b: readonly string[]): [number, number][] {
  const [n, m] = [a.length, b.length];
  const best = new Uint16Array((n + 1) * (m + 1));
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      best[i * (m + 1) + j] =
        a[i] === b[j]
          ? best[(i + 1) * (m + 1) + j + 1]! + 1
          : Math.max(best[(i + 1) * (m + 1) + j]!, best[i * (m + 1) + j + 1]!);
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < n && j < m; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (best[(i + 1) * (m + 1) + j]! >= best[i * (m + 1) + j + 1]!) i++;
    else j++;
  }
  return pairs;
}

/** a − b over aligned rows and columns; NaN where either may not attend. @returns [rows, columns] in a's aligned tokens */
export function difference(
  a: { values: ArrayLike<number>; columns: number },
  b: { values: ArrayLike<number>; columns: number },
  rows: readonly (readonly [number, number])[],
  columns: readonly (readonly [number, number])[],
): Float32Array {
  const out = new Float32Array(rows.length * columns.length);
  rows.forEach(([ra, rb], i) => {
    columns.forEach(([ca, cb], j) => {
      out[i * columns.length + j] = a.values[ra * a.columns + ca]! - b.values[rb * b.columns + cb]!;
    });
  });
  return out;
}
