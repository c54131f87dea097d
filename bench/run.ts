/** @file Asks every question in this process: node scripts/bench.mjs [question …] [--threads n] [--seconds n] [--quick] [--out file]. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as backward from "./attention-backward.js";
import * as forward from "./attention-forward.js";
import * as decode from "./decode.js";
import * as matmul from "./matmul.js";
import * as models from "./models.js";
import { conditions } from "./shared/conditions.js";
import { type Answer, ask, type Case, print } from "./shared/question.js";
import * as threads from "./threads.js";
import * as whole from "./whole.js";
import * as window from "./window.js";

type Question = { cases(threads: number, quick: boolean): (() => Case)[] };

const questions: Record<string, Question> = {
  "attention-forward": forward,
  "attention-backward": backward,
  window,
  decode,
  matmul,
  threads,
  models,
  whole,
};

export async function main(argv: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      threads: { type: "string", default: "1" },
      seconds: { type: "string", default: "1.5" },
      out: { type: "string" },
      quick: { type: "boolean", default: false },
    },
  });
  const answers: Answer[] = [];
  for (const [name, { cases }] of Object.entries(questions)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    for (const make of cases(Number(values.threads), values.quick)) {
      const answer = await ask(name, make(), Number(values.seconds), conditions(Number(values.threads)));
      answers.push(answer);
      console.log(`${print(answer)}\n`);
      if (values.out) writeFileSync(values.out, `${JSON.stringify(answers, null, 1)}\n`); // after each: a long run may be cut short
    }
  }
}
