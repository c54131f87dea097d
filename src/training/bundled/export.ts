/** @file A trained model as a Hugging Face-style folder, with its birth certificate. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kernelInForce } from "../../kernels/current.js";
import { writeSafetensors } from "../../tensor/index.js";
import { tokenizerJson } from "../byte-pairs.js";
import type { HeadScore } from "../head-scores.js";
import { recipe } from "./recipe.js";
import { type BundledRun, type Look, scoresOf } from "./run.js";

/** Writes config.json, tokenizer.json, model.safetensors (half precision) and BIRTH.json. @returns bytes of the weights */
export function exportBundled({ model, pairs, corpus, looks }: BundledRun, folder: string): number {
  mkdirSync(folder, { recursive: true });
  const json = (name: string, value: unknown): void =>
    writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  const weights = writeSafetensors(
    Object.entries(model.state()).map(([name, value]) => ({ name, value, type: "F16" as const })),
    { format: "pt" },
  );
  writeFileSync(join(folder, "model.safetensors"), weights);
  json("config.json", recipe.config);
  json("tokenizer.json", tokenizerJson(pairs));
  json("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    eos_token: recipe.specials[0],
    model_max_length: 256,
  });
  json("generation_config.json", { eos_token_id: recipe.config.eos_token_id });
  const last = looks.at(-1);
  json("BIRTH.json", {
    about: "The model that comes with qkv, trained by qkv's own training room. Run it again: npm run train:bundled",
    licence: "MIT, as qkv; the texts are in the public domain",
    parameters: model.parameterCount,
    recipe,
    data: corpus.origin,
    heldBack: "the last 3 % of each text",
    scoresOn: "8 sequences of 64 random tokens repeated once; chance: previous 0.04, induction 0.01",
    result: last && rounded(last),
    heads: scoresOf(model).map(short),
    curve: looks.map(rounded),
    made: {
      date: new Date().toISOString().slice(0, 10),
      qkv: version(),
      node: process.version,
      kernel: kernelInForce().name,
      sha256: createHash("sha256").update(weights).digest("hex"),
    },
  });
  return weights.length;
}

const digits = (x: number, n = 4): number => Number(x.toFixed(n));

function short({ layer, head, previous, first, induction }: HeadScore): object {
  return { layer, head, previous: digits(previous, 3), first: digits(first, 3), induction: digits(induction, 3) };
}

function rounded(look: Look): object {
  const at = ({ layer, head }: HeadScore, score: number): object => ({ score: digits(score, 3), layer, head });
  return {
    step: look.step,
    tokens: look.tokens,
    loss: digits(look.loss),
    validation: digits(look.validation),
    natsPerCharacter: digits(look.perCharacter),
    learningRate: Number(look.learningRate.toPrecision(4)),
    gradientNorm: digits(look.gradientNorm, 3),
    secondsPerStep: digits(look.secondsPerStep, 2),
    previous: at(look.previous, look.previous.previous),
    first: at(look.first, look.first.first),
    induction: at(look.induction, look.induction.induction),
  };
}

function version(): string {
  const file = new URL("../../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
