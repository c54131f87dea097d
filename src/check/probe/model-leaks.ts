/** @file Real tokens that move with padding, or with the future once there is padding. */
import type { Found } from "../rule.js";
import { at, gap, type ModelLab, type ModelOutput, moved } from "./model-lab.js";
import { type Dependence, dependence } from "./model-maps.js";
import { length, type PaddingFound, real, showing } from "./padded.js";

/** Do real tokens move with padding? If so, how does the mask go wrong? */
export async function leaks(
  lab: ModelLab,
  p: { ids: number[]; mask: number[] },
  answer: ModelOutput,
  map: Dependence,
  call: string,
  found: PaddingFound,
): Promise<void> {
  const positionsOf = (bit: number) => p.mask.flatMap((m, t) => (m === bit ? [t] : []));
  const [reals, blanks] = [positionsOf(1), positionsOf(0)];
  const { moves } = map;
  const visible = (i: number, j: number) => !lab.config.causal || j <= i;
  const toPads = reals.some((i) => blanks.some((j) => moves[i]![j]));
  if (!toPads) return;
  const picture = showing(lab, map);
  const others = reals.flatMap((i) => reals.filter((j) => j !== i && visible(i, j)).map((j) => moves[i]![j]!));
  const open = await lab.ask([p.ids]);
  const ignored = open.ok && gap(open.tokens!.data, answer.tokens!.data) <= moved;
  const sameReal = open.ok && Math.max(...reals.map((t) => gap(at(open, 0, t), at(answer, 0, t)))) <= moved;
  const padsAlone = blanks.every((i) => moves[i]!.every((x, j) => x === (i === j)));
  const finding = (message: string): Found => ({ message, evidence: `${call}\n${picture}` });
  if (!ignored && others.length > 0 && others.every((x) => !x))
    found["mask-inverted"] ??= finding(
      "Real tokens move with the padding and not with each other: the attention mask is read the wrong way round.",
    );
  else if (!ignored && (sameReal || padsAlone))
    found["mask-on-query-axis"] ??= finding(
      "The attention mask changes the outputs at the padding and leaves real tokens as they are without it: it hides queries instead of keys.",
    );
  else
    found["padding-leak"] ??= finding(
      ignored
        ? "The attention mask makes no difference: real tokens move with the padding."
        : "Real tokens move with the padding although it is masked: it is hidden in part only (a product, a constant that is too large, a mask after softmax).",
    );
}

/** Does the padding see padding and not the text? */
export function padSeesPad(lab: ModelLab, p: { mask: number[] }, map: Dependence, found: PaddingFound): void {
  const last = length - 1;
  const { moves } = map;
  const realToPad = moves.slice(0, real).some((row) => row.slice(real).includes(true));
  const seesPad = moves[last]![last - 1]!;
  const seesReal = moves[last]!.slice(0, real).includes(true);
  if (realToPad || !seesPad || seesReal) return;
  found["pad-attends-pad"] ??= {
    message:
      "The outputs at the padding move with other padding and not with the text: masks of query and key are compared for equality.",
    evidence: `ids ${JSON.stringify([map.ids])}, attentionMask ${JSON.stringify([p.mask])}\n${showing(lab, map)}`,
  };
}

/** Is a model that is causal without padding no longer so with it? */
export async function futureUnderMask(
  lab: ModelLab,
  p: { mask: number[] },
  map: Dependence,
  found: PaddingFound,
): Promise<void> {
  const ids = map.ids;
  const plain = await dependence(
    lab,
    ids,
    ids.map(() => 1),
  );
  if (typeof plain === "string") return;
  const future = (d: Dependence) =>
    d.moves.some((row, i) => p.mask[i] === 1 && row.some((x, j) => x && j > i && p.mask[j] === 1));
  if (future(plain) || !future(map)) return;
  found["causal-dropped-on-a-path"] = {
    message: "With padding in the attention mask the model is no longer causal: real tokens move with later ones.",
    evidence: `ids ${JSON.stringify([ids])}, attentionMask ${JSON.stringify([p.mask])}\n${showing(lab, map)}`,
  };
}
