/** @file `qkv generate`: a text continued, token by token. */
import { Command } from "commander";
import { decimal, whole } from "./shared/numbers.js";
import { openModel } from "./shared/model.js";

export function command(): Command {
  return new Command()
    .argument("<model>", "bundled, a folder, a hub id or a .gguf file")
    .argument("<text>", "what is to be continued; for T5 the source text")
    .option("-n, --max-new-tokens <n>", "at most so many tokens (default 64)", whole("--max-new-tokens", 1))
    .option(
      "-t, --temperature <t>",
      "0 = always the likeliest (default), 1 = as the model says",
      decimal("--temperature"),
    )
    .option("--top-k <k>", "only the k likeliest", whole("--top-k", 1))
    .option("--top-p <p>", "only the likeliest that together have this probability", decimal("--top-p"))
    .option(
      "--repetition-penalty <x>",
      "above 1: tokens that were there become less likely",
      decimal("--repetition-penalty"),
    )
    .option("--seed <n>", "draws repeat for the same seed (default 0)", whole("--seed"))
    .option("--stop <text...>", "stop after any of these texts")
    .option("--chat", "the text is what a user says to a chat model")
    .option("--system <text>", "what the chat model is told before (with --chat)")
    .option("--weights <format>", "f32 (default), f16, bf16 or int8: how weights are held")
    .option("--json", "one line of JSON a token: id, token, logit and the five likeliest")
    .addHelpText("after", '\nExample:\n  qkv generate bundled "Call me" -n 40 -t 0.8 --seed 1')
    .action(run);
}

interface Options {
  maxNewTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  repetitionPenalty?: number;
  seed?: number;
  stop?: string[];
  chat?: boolean;
  system?: string;
  weights?: string;
  json?: boolean;
}

async function run(name: string, text: string, options: Options): Promise<void> {
  const model = await openModel(name, options.weights);
  const ids = await promptOf(model, text, options);
  const { maxNewTokens = Math.min(64, (model.contextLength ?? 1e9) - ids.length), temperature, topK, topP } = options;
  const { repetitionPenalty, seed, stop, json } = options;
  const cancel = new AbortController();
  const interrupt = (): void => cancel.abort();
  process.once("SIGINT", interrupt);
  try {
    const steps = model.generate(ids, {
      maxNewTokens: Math.max(maxNewTokens, 1),
      temperature,
      topK,
      topP,
      repetitionPenalty,
      seed,
      stop,
      signal: cancel.signal,
    });
    for await (const step of steps) {
      if (json)
        console.log(JSON.stringify({ id: step.id, token: step.token, top: likeliest(step.logits.data, model) }));
      else process.stdout.write(step.token);
    }
  } catch (error) {
    if (!cancel.signal.aborted) throw error;
  } finally {
    process.off("SIGINT", interrupt);
  }
  if (!json) process.stdout.write("\n");
}

type Loaded = Awaited<ReturnType<typeof openModel>>;

async function promptOf(model: Loaded, text: string, { chat, system }: Options): Promise<number[]> {
  if (!chat) return model.tokenizer.encode(text).ids;
  const { renderChat } = await import("../text/index.js");
  const messages = [...(system ? [{ role: "system", content: system }] : []), { role: "user", content: text }];
  return model.tokenizer.encode(await renderChat(model.tokenizer, messages), { addSpecialTokens: false }).ids;
}

function likeliest(logits: Float32Array, model: Loaded): { id: number; token: string; logit: number }[] {
  return Array.from(logits, (logit, id) => ({ id, logit }))
    .sort((a, b) => b.logit - a.logit)
    .slice(0, 5)
    .map(({ id, logit }) => ({ id, token: model.tokenizer.idToToken(id) ?? "", logit }));
}
