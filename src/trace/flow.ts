/**
 * @file Attention flow: how much can pass from an input to an output position when every mixed attention weight is the
 * width of a pipe. Abnar & Zuidema 2020 (arXiv:2005.00928) §3. Maximum flow by Dinic's algorithm (1970).
 *
 * Nodes: (layer 0 … n) × positions. Pipe from (l − 1, j) to (l, i) has the capacity Â_l[i, j] of `mixedLayer`.
 */

/** Less than this is no pipe: sums of float64 weights are off by about 1e-16 a term. */
const nothing = 1e-12;

interface Graph {
  head: Int32Array; // first edge of each node, −1 = none
  next: number[];
  to: number[];
  capacity: number[];
}

function graphOf(layers: readonly Float64Array[], length: number, output: number): Graph {
  const nodes = (layers.length + 1) * length;
  const g: Graph = { head: new Int32Array(nodes).fill(-1), next: [], to: [], capacity: [] };
  const add = (from: number, to: number, capacity: number): void => {
    for (const [a, b, c] of [
      [from, to, capacity],
      [to, from, 0],
    ] as const) {
      g.next.push(g.head[a]!);
      g.to.push(b);
      g.capacity.push(c);
      g.head[a] = g.to.length - 1;
    }
  };
  let wanted = new Set([output]); // only what can reach the output
  for (let l = layers.length; l >= 1; l--) {
    const below = new Set<number>();
    for (const i of wanted) {
      for (let j = 0; j < length; j++) {
        const c = layers[l - 1]![i * length + j]!;
        if (c <= nothing) continue;
        add((l - 1) * length + j, l * length + i, c);
        below.add(j);
      }
    }
    wanted = below;
  }
  return g;
}

/** Largest flow from one node to another; the graph's capacities are used up. */
function maximumFlow(g: Graph, from: number, to: number): number {
  const level = new Int32Array(g.head.length);
  const queue = new Int32Array(g.head.length);
  let total = 0;
  for (;;) {
    level.fill(-1);
    level[from] = 0;
    let end = 1;
    queue[0] = from;
    for (let at = 0; at < end && level[to] < 0; at++) {
      const u = queue[at]!;
      for (let e = g.head[u]!; e >= 0; e = g.next[e]!) {
        if (g.capacity[e]! > nothing && level[g.to[e]!] < 0) {
          level[g.to[e]!] = level[u]! + 1;
          queue[end++] = g.to[e]!;
        }
      }
    }
    if (level[to] < 0) return total;
    const edge = g.head.slice();
    for (let pushed = push(g, level, edge, from, to, Number.POSITIVE_INFINITY); pushed > nothing; ) {
      total += pushed;
      pushed = push(g, level, edge, from, to, Number.POSITIVE_INFINITY);
    }
  }
}

/** One augmenting path along rising levels; depth is at most twice the layers, so recursion is shallow. */
function push(g: Graph, level: Int32Array, edge: Int32Array, u: number, to: number, limit: number): number {
  if (u === to) return limit;
  for (; edge[u]! >= 0; edge[u] = g.next[edge[u]!]!) {
    const e = edge[u]!;
    const v = g.to[e]!;
    if (g.capacity[e]! <= nothing || level[v] !== level[u]! + 1) continue;
    const pushed = push(g, level, edge, v, to, Math.min(limit, g.capacity[e]!));
    if (pushed > nothing) {
      g.capacity[e]! -= pushed;
      g.capacity[e ^ 1]! += pushed;
      return pushed;
    }
  }
  return 0;
}

/**
 * Flow into one output from each input, first layer first. Yields after every input, so a worker can be asked to stop.
 * @returns [L], as shares that sum to 1
 */
export function* attentionFlow(
  layers: readonly Float64Array[],
  length: number,
  output: number,
): Generator<number, Float64Array> {
  const whole = graphOf(layers, length, output);
  const flow = new Float64Array(length);
  for (let input = 0; input < length; input++) {
    if (whole.head[input]! >= 0) {
      const g = { ...whole, capacity: whole.capacity.slice() };
      flow[input] = maximumFlow(g, input, layers.length * length + output);
    }
    yield input + 1;
  }
  const total = flow.reduce((a, b) => a + b, 0);
  return total > 0 ? flow.map((x) => x / total) : flow;
}
