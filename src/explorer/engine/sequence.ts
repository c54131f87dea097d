/** @file The sequence lab and the forming heads, trained in the worker: every step is told, and they stop when asked. */
import type { HeadFormsStep, LabOptions, LabStep } from "../../training/index.js";
import type { LabCall } from "./labs.js";

/** What the pages of these labs are told, step by step. */
export type { HeadFormsStep, LabStep } from "../../training/index.js";

export type SequenceAsked = Omit<LabOptions, "model"> & { models: LabOptions["model"][] };

/** Models take turns, a few steps each, so that all lines grow together. */
export const sequence: LabCall = async (asked, options) => {
  const { sequenceLab } = await import("../../training/sequence-lab.js");
  const { models, ...shared } = asked as SequenceAsked;
  let running = models.map((model) => sequenceLab({ ...shared, model }));
  while (running.length > 0) {
    for (const one of [...running]) {
      for (let n = 0; n < 5; n++) {
        options.signal?.throwIfAborted();
        const { done, value } = await one.next();
        if (done) {
          running = running.filter((r) => r !== one);
          break;
        }
        options.onStep?.(value satisfies LabStep);
        if (value.look) break;
      }
    }
    await new Promise((resume) => setTimeout(resume, 0));
  }
  return undefined;
};

export const forming: LabCall = async (asked, options) => {
  const { headForms } = await import("../../training/head-forms.js");
  for await (const step of headForms(asked as object)) {
    options.signal?.throwIfAborted();
    options.onStep?.(step satisfies HeadFormsStep);
  }
  return undefined;
};
