/**
 * @file A whole model beside the sum of its operations' own times: what is between them (objects, arguments, memory, ids).
 * The ratio of the second line is the operations' share: 0.87 and above is "within 15 %".
 */
import { repeat } from "../src/cli/shared/measure.js";
import { Profile } from "../src/kernels/profile.js";
import { Config } from "../src/models/config.js";
import { loadModel, type Model } from "../src/models/index.js";
import { architectureOf } from "../src/models/registry.js";
import { writeSafetensors } from "../src/tensor/index.js";
import { random } from "../src/tensor/random.js";
import { AdamW, batchOf, matricesOnly, train } from "../src/training/index.js";
import { recipe } from "../src/training/bundled/recipe.js";
import { logitsOf, newModel } from "../src/training/bundled/run.js";
import { minilm, missingFile } from "./peers/model-files.js";
import { ourKernel } from "./shared/ours.js";
import type { Case } from "./shared/question.js";

function one(title: string, flop: number, threads: number, make: () => Promise<() => unknown>): Case {
  const kernel = ourKernel(threads);
  const clocked = async (run: () => unknown): Promise<number> => {
    const begin = performance.now();
    const made = run();
    if (made instanceof Promise) await made;
    return performance.now() - begin;
  };
  const nothing = async (): Promise<number[]> => [];
  let made: Promise<() => unknown> | undefined;
  const ready = (): Promise<() => unknown> => (made ??= make());
  return {
    title: `whole · ${title}`,
    flop,
    threads,
    entries: [
      {
        name: `qkv ${kernel.name}, all of it`,
        open: async () => {
          const run = await ready();
          return { turn: (limits) => repeat(() => clocked(run), limits), result: nothing };
        },
      },
      {
        name: "its operations alone",
        open: async () => {
          const run = await ready();
          const profile = new Profile(kernel);
          const alone = async (): Promise<number> => {
            const before = profile.total;
            profile.start();
            try {
              await run();
            } finally {
              profile.stop();
            }
            return profile.total - before;
          };
          return { turn: (limits) => repeat(alone, limits), result: nothing };
        },
      },
    ],
  };
}

const ids = (count: number, length: number, vocabulary: number): number[][] =>
  Array.from({ length: count }, (_, b) =>
    Array.from({ length }, (_, i) => 1 + ((b * 7919 + i * 104729) % (vocabulary - 1))),
  );

function encoder(count: number, threads: number): Case {
  return one(
    `all-MiniLM-L6-v2, ${count} × 128 tokens`,
    count * 128 * 6 * (24 * 384 * 384 + 4 * 128 * 384),
    threads,
    async () => {
      const why = missingFile(minilm);
      if (why) throw new Error(why);
      const [model, inputIds] = [await loadModel(minilm), ids(count, 128, 30000)];
      return () => model.forward({ inputIds });
    },
  );
}

/** GPT-2's shape with random weights. */
async function gpt2(): Promise<Model> {
  const config = { model_type: "gpt2", vocab_size: 50257, n_positions: 1024, n_embd: 768, n_layer: 12, n_head: 12 };
  const source = random(1);
  const { make } = architectureOf(new Config(config));
  const tensors = [...new make(new Config(config), { name: "gpt2" }).named()].map(([name, { shape }]) => {
    const data = new Float32Array(shape.reduce((n, d) => n * d, 1));
    for (let i = 0; i < data.length; i++) data[i] = 0.04 * (source.uniform() - 0.5);
    return { name, value: { data, shape } };
  });
  return loadModel({ config, weights: writeSafetensors(tensors) });
}

function decoder(threads: number): Case {
  const flop = 512 * 12 * (24 * 768 * 768 + 2 * 512 * 768) + 2 * 512 * 768 * 50257;
  return one("GPT-2's shape, 1 × 512 tokens", flop, threads, async () => {
    const [model, inputIds] = [await gpt2(), ids(1, 512, 50257)];
    return () => model.forward({ inputIds });
  });
}

function writing(threads: number): Case {
  const [prompt, tokens] = [ids(1, 16, 512)[0]!, 32];
  return one(`bundled model writes ${tokens} tokens`, 2 * 1.8e6 * (tokens + 16), threads, async () => {
    const model = await loadModel("bundled");
    return async () => {
      for await (const _ of model.generate(prompt, { maxNewTokens: tokens, temperature: 0, stop: [] }));
    };
  });
}

function step(threads: number): Case {
  const { rows, length } = recipe.batch;
  return one(
    `a training step of the bundled model, ${rows} × ${length} tokens`,
    rows * length * 13e6,
    threads,
    async () => {
      const model = newModel();
      const text = Uint16Array.from({ length: 10_000 }, (_, i) => 1 + ((i * i) % 511));
      const steps = train({
        model,
        forward: (batch) => logitsOf(model, batch),
        optimiser: new AdamW({ ...recipe.optimiser, decays: matricesOnly }),
        batch: (n) => batchOf(text, recipe.batch, recipe.seed, n),
        learningRate: () => 1e-4,
        steps: Number.POSITIVE_INFINITY,
        clip: recipe.clip,
        microBatch: recipe.microBatch,
      });
      return () => steps.next();
    },
  );
}

export const cases = (threads: number): (() => Case)[] => [
  () => encoder(1, threads),
  () => encoder(16, threads),
  () => decoder(threads),
  () => writing(threads),
  () => step(threads),
];
