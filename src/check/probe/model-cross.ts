/** @file An encoder–decoder: does the decoder mind where in the encoder's row a text stands? */
import { number } from "../report/picture.js";
import { notTested, type Outcome } from "../rule.js";
import { differs, gap, type ModelLab, moved } from "./model-lab.js";
import { unsteady } from "./model-repeat.js";

/** Cross-attention without positions is not changed by padding on the left of the source. */
export async function crossShift(lab: ModelLab): Promise<Outcome> {
  if (!lab.config.encoderDecoder) return notTested("the model has no decoder beside an encoder");
  const bad = await unsteady(lab);
  if (bad) return notTested(bad);
  const source = lab.ids(4, 91);
  const extra = { decoderIds: [lab.ids(3, 92)] };
  const ask = (ids: number[], mask: number[]) => lab.ask([ids], [mask], undefined, extra);
  const [plain, other] = [
    await ask(
      source,
      source.map(() => 1),
    ),
    await ask(
      source.map((id) => lab.other(id, 2)),
      source.map(() => 1),
    ),
  ];
  if (!plain.ok || !other.ok) return notTested("the model does not take decoderIds");
  if (!plain.tokens || gap(plain.tokens.data, other.tokens!.data) <= moved)
    return notTested("the output does not move with the source");
  const pads = [lab.pad, lab.pad];
  const shifted = await ask([...pads, ...source], [0, 0, 1, 1, 1, 1]);
  if (!shifted.ok || !shifted.tokens) return notTested("the model does not take a padded source");
  const apart = gap(shifted.tokens.data, plain.tokens.data);
  if (apart <= differs) return "clear";
  if (lab.config.positions !== "t5" && lab.config.positions !== undefined)
    return notTested("the encoder's positions are absolute");
  return {
    message: `The decoder's output changes by ${number(apart)} of its size when the source is shifted by two padded tokens: the cross-attention counts distances.`,
    evidence: `ids ${JSON.stringify([source])} and the same with ${pads.length} padded tokens before them, decoderIds ${JSON.stringify(extra.decoderIds)}`,
  };
}
