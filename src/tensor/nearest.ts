/** @file The name that was probably meant: for errors that list what is there. */

/** How many single-letter edits turn one word into the other. Wagner & Fischer 1974. Cost: |a|·|b|. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/**
 * The name of a list that is nearest to the one asked for. A name that ends in the one asked for (a missing prefix), or
 * in which it ends (one too many), comes before any other.
 * @returns undefined when the list is empty
 */
export function nearestName(asked: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const prefixed = name.endsWith(`.${asked}`) || asked.endsWith(`.${name}`);
    const distance = prefixed ? 0.5 : editDistance(asked, name);
    if (distance < least) [best, least] = [name, distance];
  }
  return best;
}
