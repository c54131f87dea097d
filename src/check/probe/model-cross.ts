/** @file An encoder–decoder: what its decoder makes of the source, of padding in it, and of its own later tokens. */
import { number } from "../report/picture.js";
import type { Found } from "../rule.js";
import { at, differs, gap, type ModelLab, type ModelOutput, moved } from "./model-lab.js";
import { unsteady } from "./model-repeat.js";

export interface CrossFacts {
  /** A decoder's output moves with a later decoder token. */
  future?: Found;
  /** The decoder sees padded source tokens. */
  leak?: Found;
  /** Padding before the source moves the decoder's output, though the encoder's states stay. */
  shift?: Found;
  /** Why a shift says nothing. */
  noShift?: string;
}

export function crossFacts(lab: ModelLab): Promise<CrossFacts | { reason: string }> {
  return lab.once("cross", async () => {
    if (!lab.config.encoderDecoder) return { reason: "the model has no decoder beside an encoder" };
    const bad = await unsteady(lab);
    if (bad) return { reason: bad };
    const source = lab.ids(4, 91);
    const target = lab.ids(3, 92);
    const ones = source.map(() => 1);
    const ask = (ids: number[], mask: number[], decoder = target) =>
      lab.ask([ids], [mask], undefined, { decoderIds: [decoder] });
    const plain = await ask(source, ones);
    if (!plain.ok || !plain.tokens) return { reason: "the model does not take decoderIds" };
    const call = (ids: number[], mask: number[]) =>
      `ids ${JSON.stringify([ids])}, attentionMask ${JSON.stringify([mask])}, decoderIds ${JSON.stringify([target])}`;
    const facts: CrossFacts = {};
    const later = await ask(source, ones, [...target.slice(0, -1), lab.other(target.at(-1)!, 3)]);
    if (later.ok && gap(at(later, 0, 0), at(plain, 0, 0)) > moved)
      facts.future = {
        message: "The decoder's first output moves with its last token: the decoder is not causal.",
        evidence: call(source, ones),
      };
    const other = await ask(
      source.map((id) => lab.other(id, 2)),
      ones,
    );
    if (!other.ok || gap(plain.tokens.data, other.tokens!.data) <= moved)
      return { ...facts, noShift: "the output does not move with the source" };
    // Padding on the right first: there no position moves, so what differs is padding that is seen.
    const right = { ids: [...source, lab.pad, lab.pad], mask: [...ones, 0, 0] };
    const left = { ids: [lab.pad, lab.pad, ...source], mask: [0, 0, ...ones] };
    const seesPads = async ({ ids, mask }: typeof right) => {
      const [x, y] = [
        await ask(ids, mask),
        await ask(
          ids.map((id, n) => (mask[n] ? id : lab.other(id, 3))),
          mask,
        ),
      ];
      return x.ok && y.ok && gap(x.tokens!.data, y.tokens!.data) > moved;
    };
    for (const p of [right, left])
      if (!facts.leak && (await seesPads(p)))
        facts.leak = {
          message:
            "The decoder's output moves with padding of the source: the mask does not reach the cross-attention.",
          evidence: call(p.ids, p.mask),
        };
    if (facts.leak) return { ...facts, noShift: "the decoder sees the source's padding already" };
    return { ...facts, ...(await shifted(lab, source, plain, left, await ask(left.ids, left.mask), call)) };
  });
}

/** Cross-attention without positions is not changed by padding on the left, where the encoder's states are not either. */
async function shifted(
  lab: ModelLab,
  source: number[],
  plain: ModelOutput,
  left: { ids: number[]; mask: number[] },
  answer: Awaited<ReturnType<ModelLab["ask"]>>,
  call: (ids: number[], mask: number[]) => string,
): Promise<Pick<CrossFacts, "shift" | "noShift">> {
  if (!answer.ok || !answer.tokens) return { noShift: "the model does not take a padded source" };
  const apart = gap(answer.tokens.data, plain.tokens!.data);
  if (apart <= differs) return {};
  const [alone, padded] = [await lab.ask([source]), await lab.ask([left.ids], [left.mask])];
  const known = alone.ok && padded.ok && alone.tokens && padded.tokens;
  if (!known && lab.config.positions !== "t5") return { noShift: "the encoder's own states cannot be asked for" };
  const from = left.ids.length - source.length;
  if (known && source.some((_, t) => gap(at(padded, 0, from + t), at(alone, 0, t)) > differs))
    return { noShift: "the encoder's own positions count from the start of the row" };
  return {
    shift: {
      message: `The decoder's output changes by ${number(apart)} of its size when the source is shifted by two padded tokens: the cross-attention counts distances.`,
      evidence: `${call(left.ids, left.mask)}, and the same source without padding`,
    },
  };
}
