/** @file Opening a model for a command: progress on stderr, off where that is no terminal. */
import cliProgress from "cli-progress";
import type { WeightFormat } from "../../kernels/index.js";
import { loadModel, type Model } from "../../models/index.js";
import { OptionError } from "../../tensor/index.js";

const formats: readonly string[] = ["f32", "f16", "bf16", "int8"];

/** Loads a model, with a bar for what is slow: a download, many bytes of weights. */
export async function openModel(name: string, weights = "f32"): Promise<Model> {
  if (!formats.includes(weights)) {
    const expected = formats.join(", ");
    throw new OptionError({
      where: "qkv",
      argument: "--weights",
      got: `is "${weights}"`,
      expected: `one of ${expected}`,
    });
  }
  const bar = downloadBar();
  try {
    return await loadModel(name, {
      weights: weights as WeightFormat,
      onDownload: bar.update,
      onProgress: (done, total) => total > 2 ** 25 && bar.update("weights", done, total),
    });
  } finally {
    bar.stop();
  }
}

/** A bar on stderr for one file after another. */
export function downloadBar(): { update(file: string, done: number, total?: number): void; stop(): void } {
  const { stderr } = process;
  let bar: cliProgress.SingleBar | undefined;
  let current: string | undefined;
  const megabytes = (n: number): number => Math.round(n / 1e5) / 10;
  return {
    update(file, done, total) {
      if (!stderr.isTTY) return;
      if (file !== current) {
        bar?.stop();
        current = file;
        bar = new cliProgress.SingleBar({
          format: `${file} {bar} {value}/{total} MB`,
          stream: stderr,
          hideCursor: true,
          clearOnComplete: true,
        });
        bar.start(megabytes(total ?? done), 0);
      }
      bar?.update(megabytes(done));
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}
