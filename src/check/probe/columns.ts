/** @file Masks that hide one key from everybody. */
import type { PathName } from "./masking.js";
import type { Problem } from "./problem.js";

export type { PathName } from "./masking.js";

/** The problem with its last key hidden from every query by the path named; `causal` hides it from all but the last. */
export function unmaskedColumn(path: PathName, p: Problem): Problem {
  const { B, H, Lq, Lk } = p;
  const plane = (rows: number, planes: number) =>
    Uint8Array.from({ length: planes * rows * Lk }, (_, n) => (n % Lk === Lk - 1 ? 0 : 1));
  switch (path) {
    case "mask":
      return { ...p, mask: { data: plane(Lq, B * H), shape: [B, H, Lq, Lk] } };
    case "mask per item":
      return { ...p, mask: { data: plane(Lq, B), shape: [B, 1, Lq, Lk] } };
    case "mask of keys":
      return { ...p, mask: { data: plane(1, B), shape: [B, 1, 1, Lk] } };
    case "mask for all":
      return { ...p, mask: { data: plane(Lq, 1), shape: [1, 1, Lq, Lk] } };
    case "keyPadding":
      return { ...p, keyPadding: plane(1, B) };
    case "causal":
      return { ...p, causal: true };
  }
}
