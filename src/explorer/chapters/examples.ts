/** @file The code that chapters begin with; readers change it. A test runs each as it stands. */

/** Self-attention from nothing, then held against the library. */
export const smallest = `import { attention, tensor } from "qkv";

type Matrix = number[][];
const dot = (a: number[], b: number[]): number =>
  a.reduce((sum, x, i) => sum + x * b[i], 0);
const matmul = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => dot(row, b.map((r) => r[j]))));

function softmax(scores: number[]): number[] {
  const most = Math.max(...scores); // taken off: exp cannot overflow
  const e = scores.map((s) => Math.exp(s - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
}

function selfAttention(x: Matrix, WQ: Matrix, WK: Matrix, WV: Matrix) {
  const [Q, K, V] = [matmul(x, WQ), matmul(x, WK), matmul(x, WV)];
  const d = Q[0].length;
  const scores = Q.map((q, i) => // j > i is the future: absent
    K.map((k, j) => (j > i ? -Infinity : dot(q, k) / Math.sqrt(d))),
  );
  const weights = scores.map(softmax); // rows sum to 1
  return { Q, K, V, weights, output: matmul(weights, V) };
}

// Three tokens of width 4; one head of size 2.
const x = [[1, 0, 1, 0], [0, 2, 0, 2], [1, 1, 1, 1]];
const WQ = [[1, 0], [0, 1], [1, 0], [0, 1]];
const WK = [[0, 1], [1, 0], [0, 1], [1, 1]];
const WV = [[1, 0], [0, 3], [0, 1], [1, 0]];

const own = selfAttention(x, WQ, WK, WV);
console.log("weights", own.weights);
console.log("output", own.output);

// The library, on the same q, k and v.
const t = (m: Matrix) => tensor(m.flat(), [m.length, m[0].length]);
const theirs = attention(t(own.Q), t(own.K), t(own.V), { causal: true });
const off = own.output.flat().map((y, n) => Math.abs(y - theirs.data[n]));
console.log("largest difference from the library", Math.max(...off));
`;

/** Two heads: projected each by its own columns, laid side by side, mixed by W_O. */
export const twoHeads = `import {
  attention, attentionWeights, mergeHeads, splitHeads, tensor,
} from "qkv";

// One text of 3 tokens, width 4, 2 heads of size 2.
// q comes out of its projection as [1, 3, 4].
const q = tensor([1, 0, 0, 1,  0, 1, 1, 0,  1, 1, 1, 1], [1, 3, 4]);

// [1, 2, 3, 2]: each head has its own two numbers of every token
const heads = splitHeads(q, 2);
const weights = attentionWeights(heads, heads, { causal: true });
console.log("who looks at whom", weights);

const mixed = attention(heads, heads, heads, { causal: true });
console.log("side by side again", mergeHeads(mixed)); // for W_O
`;
