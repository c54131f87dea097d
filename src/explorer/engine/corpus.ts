/**
 * @file What heads do over many texts: mean and confidence interval of every score of every head, the texts that show it
 * best, and the heads whose habit is another one in another corpus. One text misleads.
 *
 * Texts stream in one a line and are forgotten: a head keeps a mean, a sum of squares (Welford 1962) and three texts.
 */
import type { Model } from "../../models/index.js";
import { kernelInForce } from "../../kernels/current.js";
import { UnavailableError } from "../../tensor/index.js";
import { headTypes, leadingType } from "../../trace/index.js";
import { headTypesView } from "./head-types-view.js";
import { describeKinds } from "./kinds.js";
import type { LabCall } from "./labs.js";

export interface CorpusAsked {
  model: string;
  /** A text a line; a file is read as it streams in. */
  corpora: { name: string; texts: Blob | string }[];
  /** Texts that are read at most, of each corpus; default: all. */
  most?: number;
  /** Longest text in tokens; what is longer is cut. Default 128. */
  longest?: number;
}

/** One score of one head over a corpus. */
export interface CorpusScore {
  n: number;
  mean: number;
  /** Half the width of the 95 % interval of the mean: 1.96·s/√n. */
  half: number;
  /** Mean chance level over the same texts. */
  chance: number;
}
export interface CorpusHead {
  layer: number;
  head: number;
  scores: Record<string, CorpusScore>;
  /** The leading type of its means, chosen as in the grid of heads; undefined when none stands out. */
  best?: string;
  /** Texts where that score was highest. */
  top: { score: number; text: string; line: number }[];
}
export interface CorpusShown {
  name: string;
  texts: number;
  skipped: number;
  tokens: number;
  heads: CorpusHead[];
  /** Bytes of kernel memory in use between two texts: it does not grow. */
  bytes: number;
}
/** Told every now and then, and at the end. */
export interface CorpusStep {
  corpora: CorpusShown[];
  types: { id: string; name: string }[];
}

class Running {
  n = 0;
  mean = 0;
  #squares = 0;
  add(x: number): void {
    this.n++;
    const before = x - this.mean;
    this.mean += before / this.n;
    this.#squares += before * (x - this.mean);
  }
  get half(): number {
    return this.n > 1 ? 1.96 * Math.sqrt(this.#squares / (this.n - 1) / this.n) : Number.NaN;
  }
}

interface Kept {
  own: Running;
  chance: Running;
  top: CorpusHead["top"];
}

/** Lines of a text or a file, one at a time; a file is never in memory as a whole. */
export async function* lines(texts: Blob | string): AsyncGenerator<string> {
  const blob = typeof texts === "string" ? new Blob([texts]) : texts;
  const reader = blob.stream().getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const parts = rest.split(/\r?\n/);
    rest = done ? "" : (parts.pop() ?? "").slice(0, 100_000); // a line without an end does not fill the memory
    yield* parts;
    if (done) return;
  }
}

const topTexts = 3;

export class CorpusScores {
  readonly name: string;
  texts = 0;
  skipped = 0;
  tokens = 0;
  #kept = new Map<string, Map<string, Kept>>();
  constructor(name: string) {
    this.name = name;
  }

  add(text: string, line: number, view: Awaited<ReturnType<typeof headTypesView>>, tokens: number): void {
    this.texts++;
    this.tokens += tokens;
    for (const { layer, head, scores } of view.heads) {
      const place = `${layer} ${head}`;
      let types = this.#kept.get(place);
      if (!types) this.#kept.set(place, (types = new Map()));
      for (const { id, chance } of view.types) {
        const score = scores[id]!;
        if (Number.isNaN(score)) continue;
        let kept = types.get(id);
        if (!kept) types.set(id, (kept = { own: new Running(), chance: new Running(), top: [] }));
        kept.own.add(score);
        if (!Number.isNaN(chance)) kept.chance.add(chance);
        if (kept.top.length < topTexts || score > kept.top.at(-1)!.score) {
          kept.top.push({ score, text: text.slice(0, 120), line });
          kept.top.sort((a, b) => b.score - a.score || a.line - b.line);
          kept.top.length = Math.min(topTexts, kept.top.length);
        }
      }
    }
  }

  shown(bytes: number): CorpusShown {
    const heads = [...this.#kept].map(([place, types]): CorpusHead => {
      const [layer, head] = place.split(" ").map(Number) as [number, number];
      const scores: CorpusHead["scores"] = {};
      for (const [id, { own, chance }] of types)
        scores[id] = { n: own.n, mean: own.mean, half: own.half, chance: chance.mean };
      const of = (part: "mean" | "chance"): Record<string, number> =>
        Object.fromEntries(Object.entries(scores).map(([id, s]) => [id, s[part]]));
      const best = leadingType(of("mean"), of("chance"))?.id;
      return { layer, head, scores, ...(best && { best }), top: best ? types.get(best)!.top : [] };
    });
    heads.sort((a, b) => a.layer - b.layer || a.head - b.head);
    return { name: this.name, texts: this.texts, skipped: this.skipped, tokens: this.tokens, heads, bytes };
  }
}

export const corpus: LabCall = async (asked, options, context) => {
  const { model: id, corpora, most = Number.POSITIVE_INFINITY, longest = 128 } = asked as CorpusAsked;
  const source = await context.source(id);
  const model = source.model as Model | undefined;
  if (!model) throw new UnavailableError({ where: "corpus", argument: source.card.name, got: "is a recorded trace, which reads no other text", fix: "choose a model" }); // biome-ignore format: one error
  const types = headTypes.map(({ id: type, name }) => ({ id: type, name }));
  const done: CorpusShown[] = [];
  let told = 0;
  for (const { name, texts } of corpora) {
    const scores = new CorpusScores(name);
    let line = 0;
    for await (const text of lines(texts)) {
      line++;
      if (text.trim() === "") continue;
      if (scores.texts >= most) break;
      const ids = model.tokenizer.encode(text).ids.slice(0, Math.min(longest, model.contextLength ?? longest));
      if (ids.length < 4) {
        scores.skipped++; // too short for any habit
        continue;
      }
      const { trace } = model.forward(
        { inputIds: [ids], ...(model.family === "encoder-decoder" && { decoderInputIds: [[model.padId]] }) },
        { trace: true },
      );
      const view = await headTypesView(trace, describeKinds(trace)[0]!, {}, async () => {});
      scores.add(text, line, view, ids.length);
      await context.breathe();
      options.signal?.throwIfAborted();
      if (performance.now() - told > 400) {
        told = performance.now();
        options.onStep?.({ corpora: [...done, scores.shown(kernelInForce().bytesInUse)], types } satisfies CorpusStep);
      }
    }
    done.push(scores.shown(kernelInForce().bytesInUse));
  }
  return { corpora: done, types } satisfies CorpusStep;
};
