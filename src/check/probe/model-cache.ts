/**
 * @file A model with a cache: prefix, then the rest, against everything at once. Of an encoder–decoder the tokens are the
 * decoder's, over a source that stays.
 */
import { number } from "../report/picture.js";
import type { Found } from "../rule.js";
import { at, differs, gap, type ModelAnswer, type ModelLab, type ModelOutput, moved } from "./model-lab.js";
import { unsteady } from "./model-repeat.js";

export interface CacheFacts {
  /** Tokens of a chunk see later tokens of it. */
  future?: Found;
  /** Tokens of a step do not see the cache. */
  history?: Found;
  /** Everything is seen and the numbers differ: positions. */
  positions?: Found;
}

const total = 7;
const kept = 4;

export function cacheFacts(lab: ModelLab): Promise<CacheFacts | { reason: string }> {
  return lab.once("cache", async () => {
    const bad = await unsteady(lab);
    if (bad) return { reason: bad };
    const ids = lab.ids(total, 71);
    const full = await read(lab, ids);
    if (!full.ok) return { reason: full.message };
    if (!full.tokens) return { reason: "the model gives one vector for a text" };
    const start = await read(lab, ids.slice(0, kept));
    if (!start.ok || start.past === undefined) return { reason: "the model gives back no `past`" };
    const one = await stepped(lab, ids, kept, 1);
    const chunk = await stepped(lab, ids, kept, total - kept);
    if (typeof one === "string") return { reason: one };
    const facts: CacheFacts = {};
    const apart = (o: ModelOutput, count: number) =>
      Math.max(...Array.from({ length: count }, (_, t) => gap(at(o, 0, t), at(full, 0, kept + t))));
    const call = (count: number) =>
      `${kept} ${lab.config.encoderDecoder ? "decoderIds" : "tokens"} of ${JSON.stringify(ids)}, then ${count} more with \`past\`, against all at once`;
    if (typeof chunk !== "string") {
      const later = await stepped(lab, [...ids.slice(0, -1), lab.other(ids.at(-1)!)], kept, total - kept);
      if (typeof later !== "string" && gap(at(later, 0, 0), at(chunk, 0, 0)) > moved)
        facts.future = {
          message: `Of a chunk of ${total - kept} tokens appended to a cache the first sees the last: it is not causal.`,
          evidence: `${call(total - kept)}; the chunk's first output moves with its last token`,
        };
    }
    if (!facts.future) {
      const blind = (await hidden(lab, ids, total - kept, chunk)) ?? (await hidden(lab, ids, 1, one));
      if (blind)
        facts.history = {
          message: `A step of ${blind.count} token${blind.count > 1 ? "s" : ""} does not see tokens ${blind.tokens.join(", ")} of the cache.`,
          evidence: `${call(blind.count)}; outputs of the step do not move with these tokens`,
        };
    }
    const single = apart(one, 1);
    const many = typeof chunk === "string" ? 0 : apart(chunk, total - kept);
    if (!facts.future && !facts.history && Math.max(single, many) > differs) {
      const count = single > differs ? 1 : total - kept;
      facts.positions = {
        message: `With a cache the output differs by ${number(Math.max(single, many))} of its size from all tokens at once, though the same tokens are seen: positions start again or a position bias is lost.`,
        evidence: call(count),
      };
    }
    return facts;
  });
}

/** Asks for tokens, after those in `past`; `total` is the length of the mask. */
function read(lab: ModelLab, part: number[], past?: unknown, total = part.length): Promise<ModelAnswer> {
  const ones = (count: number) => [new Array<number>(count).fill(1)];
  if (!lab.config.encoderDecoder) return lab.ask([part], ones(total), past);
  const source = lab.ids(4, 73);
  return lab.ask([source], ones(source.length), past, { decoderIds: [part] });
}

/** The outputs of `count` tokens after a cache of `from`, the cache made anew. */
async function stepped(lab: ModelLab, ids: number[], from: number, count: number): Promise<ModelOutput | string> {
  const part = ids.slice(from, from + count);
  const start = () => read(lab, ids.slice(0, from));
  const first = await start();
  if (!first.ok) return first.message;
  const step = await read(lab, part, first.past, from + count);
  if (step.ok) return step;
  // Some take a mask of the new tokens only. The first try may have changed the cache.
  const short = await read(lab, part, ((await start()) as ModelOutput).past);
  return short.ok ? short : `a step with \`past\` fails: ${step.message}`;
}

/** Which cached tokens no output of a step moves with. */
async function hidden(
  lab: ModelLab,
  ids: number[],
  count: number,
  now: ModelOutput | string,
): Promise<{ count: number; tokens: number[] } | undefined> {
  if (typeof now === "string") return undefined;
  const tokens: number[] = [];
  for (let j = 0; j < kept; j++) {
    if (lab.config.slidingWindow && j < kept - lab.config.slidingWindow + 1) continue;
    const other = await stepped(
      lab,
      ids.map((id, n) => (n === j ? lab.other(id, 3) : id)),
      kept,
      count,
    );
    // The first output of the step decides: later ones may see the cache through it.
    if (typeof other !== "string" && gap(at(other, 0, 0), at(now, 0, 0)) <= moved) tokens.push(j);
  }
  return tokens.length > 0 ? { count, tokens } : undefined;
}
