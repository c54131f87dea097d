/**
 * @file Post-processors: what a tokenizer puts around a text ("[CLS] … [SEP]"), and which text is which.
 */
import { OptionError } from "../tensor/index.js";
import type { Step } from "./json.js";

/** One token with all that is known of it. */
export interface TokenPlace {
  id: number;
  token: string;
  /** UTF-16 range of its text; [0, 0] for a token that was put there. */
  offset: [number, number];
  typeId: number;
  /** 1: put there by the tokenizer. */
  special: 0 | 1;
  /** Which text it is from: 0 the text, 1 its pair, −1 neither. */
  sequence: -1 | 0 | 1;
}

type PostProcess = (text: TokenPlace[], pair: TokenPlace[] | undefined, addSpecial: boolean) => TokenPlace[];

const put = (token: string, id: number, typeId = 0): TokenPlace => ({
  id,
  token,
  offset: [0, 0],
  typeId,
  special: 1,
  sequence: -1,
});

/** Turns the `post_processor` section into a function. */
export function postProcessor(step: Step | null | undefined): PostProcess {
  if (!step) return (text, pair = []) => [...text, ...typed(pair, 1)];
  switch (step.type) {
    case "Sequence": {
      // Every step but the one that adds tokens only trims offsets, which leaves a pair apart.
      const steps = (step["processors"] as Step[]).map((s) => ({
        adds: s.type !== "ByteLevel",
        run: postProcessor(s),
      }));
      const trims = steps.filter((s) => !s.adds);
      const adds = steps.find((s) => s.adds) ?? { run: postProcessor(null) };
      const trim = (tokens: TokenPlace[]): TokenPlace[] => trims.reduce((t, s) => s.run(t, undefined, false), tokens);
      return (text, pair, special) => adds.run(trim(text), pair && trim(pair), special);
    }
    case "ByteLevel": {
      const trim = trimmer(step);
      return (text, pair) => [...trim(text), ...(pair ? typed(trim(pair), 1) : [])];
    }
    case "TemplateProcessing":
      return template(step);
    case "BertProcessing": {
      const [sep, cls] = [step["sep"], step["cls"]] as [[string, number], [string, number]];
      return (text, pair, special) => {
        if (!special) return [...text, ...typed(pair ?? [], 1)];
        return [put(...cls), ...text, put(...sep), ...(pair ? [...typed(pair, 1), put(...sep, 1)] : [])];
      };
    }
    case "RobertaProcessing": {
      const [sep, cls] = [step["sep"], step["cls"]] as [[string, number], [string, number]];
      const trim = trimmer(step);
      return (text, pair, special) => {
        const [a, b] = [trim(text), pair && trim(pair)];
        if (!special) return [...a, ...(b ?? [])];
        return [put(...cls), ...a, put(...sep), ...(b ? [put(...sep), ...b, put(...sep)] : [])];
      };
    }
    default:
      throw new OptionError({
        where: "loadTokenizer",
        argument: "tokenizer.json",
        got: `has a post_processor of type "${step.type}"`,
        expected: "one of BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing",
      });
  }
}

const typed = (tokens: TokenPlace[], typeId: number): TokenPlace[] => tokens.map((t) => ({ ...t, typeId }));

interface TemplatePart {
  SpecialToken?: { id: string; type_id: number };
  Sequence?: { id: "A" | "B"; type_id: number };
}

/** "[CLS] $A [SEP] $B:1 [SEP]:1" as a list of parts. */
function template(step: Step): PostProcess {
  const tokens = (step["special_tokens"] ?? {}) as Record<string, { ids: number[]; tokens: string[] }>;
  return (text, pair, special) => {
    const parts = step[pair ? "pair" : "single"] as TemplatePart[];
    return parts.flatMap(({ SpecialToken: s, Sequence: q }) => {
      if (q) return typed(q.id === "A" ? text : pair!, q.type_id);
      if (!s || !special) return [];
      const { ids, tokens: names } = tokens[s.id]!;
      return ids.map((id, i) => put(names[i]!, id, s.type_id));
    });
  };
}

/**
 * Takes the spaces at either end of a byte-level token ("Ġcat") out of its offset. A first token keeps the one space
 * that the pre-tokenizer may have put there.
 */
function trimmer(step: Step): (tokens: TokenPlace[]) => TokenPlace[] {
  if (step["trim_offsets"] === false) return (tokens) => tokens;
  const prefixed = step["add_prefix_space"] !== false;
  return (tokens) =>
    tokens.map((t, i) => {
      const spaces = (s: string): number => /^[Ġ\p{White_Space}]*/u.exec(s)![0].length;
      let [from, to] = t.offset;
      let leading = spaces(t.token);
      const trailing = spaces([...t.token].reverse().join(""));
      if (leading === 1 && prefixed && (i === 0 || from === 0)) {
        leading = 0;
        if (t.token.length === 1) to = from; // the space that was put there, and nothing else
      }
      from = Math.min(from + leading, to);
      if (trailing > 0 && to >= trailing) to = Math.max(to - trailing, from);
      return { ...t, offset: [from, to] as [number, number] };
    });
}
