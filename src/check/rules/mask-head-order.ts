/** @file The mask of one batch item or head is used for another. */
import type { Pairs, Problem } from "../probe/problem.js";
import { type PathName, rightPairs } from "../probe/masking.js";
import { pathOutcome } from "../probe/named.js";
import { paddingOutcome } from "../probe/model-padding.js";
import { rule } from "../rule.js";

const id = "mask-head-order";

/** Which plane of [B, H] masks row b·H + h takes. */
type Plane = (b: number, h: number, B: number, H: number) => [b: number, h: number];

const relabelled =
  (plane: Plane) =>
  (p: Problem, _path: PathName): Pairs => {
    const right = rightPairs(p);
    return (b, h, i, j) => {
      const [bb, hh] = plane(b, h, p.B, p.H);
      return right(bb, hh, i, j);
    };
  };
const items: PathName[] = ["mask per item", "mask of keys", "keyPadding"];

export const maskHeadOrder = rule({
  id,
  says: "A batch item gets another item's mask: the mask is repeated over heads in the wrong order.",
  why: "With batch and heads flattened to B·H rows, row n belongs to item ⌊n/H⌋; a mask tiled instead of repeated gives it item n mod B. Invisible with one item or equal lengths.",
  severity: "error",
  fix: "Repeat each item's mask H times in a row (repeat_interleave, not tile) or broadcast [B, 1, Lq, Lk] before flattening",
  reference: "seen in lsdefine/attention-is-all-you-need-keras#36",
  wrong: "mask = tile(mask, [H, 1, 1]); // rows of [H·B]",
  right: "mask = repeat(mask, H, { axis: 0 }); // rows of [B·H]",
  mustCatch: [
    "keyPadding tiled, loops",
    "keyPadding tiled, float32 loops",
    "keyPadding tiled, whole maps",
    "keyPadding tiled, flattened batch",
    "keyPadding tiled, online softmax",
    "mask tiled",
    "item 0's padding for all",
    "model: tiled",
    "model: item 0 for all",
  ],
  mustPass: ["flattened batch, bare numbers", "key heads repeated", "model: encoder"],
  explains: ["padding-leak", "dead-row-NaN", "NaN-through-mask", "pad-in-pooling", "left-pad-positions"],
  pairs: [
    {
      rule: id,
      says: "row b·H + h takes the mask of item (b·H + h) mod B",
      paths: ["mask"],
      pairs: relabelled((b, h, B, H) => [(b * H + h) % B, h]),
    },
    {
      rule: id,
      says: "row b·H + h takes the mask of item (b·H + h) mod B",
      paths: items,
      pairs: relabelled((b, h, B, H) => [(b * H + h) % B, 0]),
    },
    {
      rule: id,
      says: "row h·B + b takes the mask of item ⌊(h·B + b)/H⌋",
      paths: items,
      pairs: relabelled((b, h, B, H) => [Math.floor((h * B + b) / H), 0]),
    },
    {
      rule: id,
      says: "every item takes the mask of item 0",
      paths: [...items, "mask"],
      pairs: relabelled((_b, h) => [0, h]),
    },
    {
      rule: id,
      says: "items take each other's masks, in reverse order",
      paths: [...items, "mask"],
      pairs: relabelled((b, h, B) => [B - 1 - b, h]),
    },
    {
      rule: id,
      says: "the planes of a [B, H] mask are taken in the order [H, B]",
      paths: ["mask"],
      pairs: relabelled((b, h, B, H) => [Math.floor((h * B + b) / H), (h * B + b) % H]),
    },
    {
      rule: id,
      says: "every head takes the mask of head 0",
      paths: ["mask"],
      severity: "warning",
      pairs: relabelled((b) => [b, 0]),
    },
  ],
  probe: (lab) => pathOutcome(lab, id),
  probeModel: (lab) => paddingOutcome(lab, "mask-head-order"),
});
