/** @file What the gotcha lab says of each mistake: predicted first, then seen. Ids are the rules of `qkv check`. */
export interface Mistake {
  id: string;
  name: string;
  /** The wrong line and the right one. */
  wrong: string;
  right: string;
  /** A question to answer before looking. */
  ask: string;
  /** Why it goes wrong. */
  says: string;
  /** Only for models that hide the future. */
  causal?: boolean;
}

export const mistakes: readonly Mistake[] = [
  {
    id: "scale-missing",
    name: "1/√d left out",
    wrong: "softmax(q·kᵀ)",
    right: "softmax(q·kᵀ / √d)",
    ask: "Scores become √d times larger. Will the rows get sharper or flatter?",
    says: "A sum of d products has a spread of √d. Without the division the largest score takes nearly all the weight, and the slope of the softmax there is close to zero: the head can hardly learn. Vaswani et al. 2017, §3.2.1.",
  },
  {
    id: "scale-d_model",
    name: "√d_model instead of √d",
    wrong: "softmax(q·kᵀ / √(heads·d))",
    right: "softmax(q·kᵀ / √d)",
    ask: "The divisor is too large by √heads. Sharper or flatter?",
    says: "Each head's scores are sums over its own d numbers only. Dividing by the width of the whole model flattens every head towards a plain average.",
  },
  {
    id: "mask-multiplied-before-softmax",
    name: "scores multiplied by the mask",
    wrong: "softmax(scores * mask)",
    right: "softmax(mask ? scores : −∞)",
    ask: "A masked score becomes 0. Does its key disappear?",
    says: "A score of zero is not absence: e⁰ = 1, so a masked key still takes weight, often more than a visible one with a negative score. Only −∞ has the weight 0.",
  },
  {
    id: "mask-after-softmax",
    name: "mask after the softmax",
    wrong: "softmax(scores) * mask",
    right: "softmax(mask ? scores : −∞)",
    ask: "Masked weights are exactly 0 now. What is wrong then?",
    says: "The softmax shared one whole among all keys, hidden ones included. What they took is thrown away, so rows no longer sum to 1, and how much is missing depends on the hidden tokens: the future shines through.",
  },
  {
    id: "causal-reversed",
    name: "the triangle the wrong way round",
    wrong: "keep triu(ones, 1)",
    right: "keep tril(ones)",
    ask: "Each token now sees only what comes after it. What does the last token see?",
    says: "The upper triangle is what must go, not what stays. Kept, it hides the past and the token itself and shows the future; the last row has nothing left at all.",
    causal: true,
  },
  {
    id: "causal-off-by-one",
    name: "the triangle one column too wide",
    wrong: "key ≤ query + 1",
    right: "key ≤ query",
    ask: "Each token sees exactly one token ahead. Does that matter?",
    says: "The next token is the answer that the model is trained to give. One column of it is all it takes for a perfect score in training and nonsense in use.",
    causal: true,
  },
  {
    id: "future-leak",
    name: "no causal mask",
    wrong: "softmax(scores)",
    right: "softmax(key ≤ query ? scores : −∞)",
    ask: "How much of the weight goes to tokens that have not been said yet?",
    says: "Without the mask each token looks ahead as freely as back. The model never learned to use what it sees there, so its expectations change for the worse.",
    causal: true,
  },
  {
    id: "softmax-axis",
    name: "softmax over queries",
    wrong: "softmax(scores, axis of queries)",
    right: "softmax(scores, axis of keys)",
    ask: "Which sums are 1 now: rows or columns?",
    says: "A row must be one token's whole attention, shared among keys. Normalised the other way round, keys compete for… nothing: some tokens get several wholes, others almost none.",
  },
  {
    id: "softmax-missing",
    name: "no softmax",
    wrong: "(scores * mask) · v",
    right: "softmax(scores) · v",
    ask: "Scores are mixed as they are, negative ones too. Do rows still sum to 1?",
    says: "A well-known tutorial forgets the softmax in its minimal example. What is left are raw scores: negative weights, sums of any size, and a last row of zeros.",
  },
  {
    id: "heads-merged-without-transpose",
    name: "heads merged without transpose",
    wrong: "out.reshape(L, H·d)",
    right: "out.transpose(H ↔ L).reshape(L, H·d)",
    ask: "The map below is right. Can the model still be broken?",
    says: "Nothing is wrong with any weight. But a reshape reads [heads, tokens, d] in memory order, so pieces of different tokens end up in one row. Shapes agree, nothing throws, and the output is noise.",
  },
  {
    id: "gqa-tile-for-repeat",
    name: "shared key heads in the wrong order",
    wrong: "key head = h mod groups",
    right: "key head = ⌊h · groups / heads⌋",
    ask: "Each query head still gets a trained key head. Just not its own. Visible?",
    says: "Grouped-query heads stand in contiguous groups. Tiled instead of repeated, most query heads ask somebody else's keys.",
  },
];
