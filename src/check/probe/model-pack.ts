/** @file Several texts packed into one row. */
import { number } from "../report/picture.js";
import { notTested, type Outcome } from "../rule.js";
import { at, differs, gap, type ModelLab, moved } from "./model-lab.js";
import { unsteady } from "./model-repeat.js";

/** Two texts in one row with `documentIds` (and positions that restart) against each alone. */
export async function packFacts(lab: ModelLab): Promise<Outcome> {
  const bad = await unsteady(lab);
  if (bad) return notTested(bad);
  const texts = [lab.ids(4, 81), lab.ids(3, 82)];
  const row = texts.flat();
  const documents = texts.flatMap((t, n) => t.map(() => n));
  const positions = texts.flatMap((t) => t.map((_, n) => n));
  const inMask = lab.config["packing"] === "mask" || lab.config["packing"] === "attentionMask";
  const mask = inMask ? [documents.map((d) => d + 1)] : [row.map(() => 1)];
  const extra = inMask ? undefined : { documentIds: [documents], positionIds: [positions] };
  const packed = (ids: number[]) => lab.ask([ids], mask, undefined, extra);
  const [plain, first] = [await lab.ask([row]), await packed(row)];
  if (!first.ok || !first.tokens)
    return notTested(
      first.ok ? "the model gives one vector for a text" : `the model does not take documentIds: ${first.message}`,
    );
  const asked = lab.config["packing"] !== undefined && lab.config["packing"] !== false;
  if (!asked && plain.ok && gap(first.tokens.data, plain.tokens!.data) <= moved)
    return notTested("the model does not take documentIds");
  const call = `ids ${JSON.stringify([row])}, ${inMask ? `attentionMask ${JSON.stringify(mask)}` : `documentIds ${JSON.stringify([documents])}, positionIds ${JSON.stringify([positions])}`}`;
  const other = await packed(row.map((id, n) => (n === 0 ? lab.other(id, 3) : id)));
  const start = texts[0]!.length;
  const leaks = other.ok && texts[1]!.some((_, t) => gap(at(other, 0, start + t), at(first, 0, start + t)) > moved);
  if (leaks)
    return {
      message: "The second document of a packed row moves with the first: documents see each other.",
      evidence: call,
    };
  const alone = await lab.ask([texts[1]!]);
  if (!alone.ok) return notTested(alone.message);
  const apart = Math.max(...texts[1]!.map((_, t) => gap(at(first, 0, start + t), at(alone, 0, t))));
  if (apart <= differs) return "clear";
  return {
    message:
      "The second document of a packed row is not what it is alone, though it does not see the first: its positions count on.",
    evidence: `${call}: it differs by ${number(apart)} of its size`,
  };
}
