/** @file The trace a generation left behind, row by row from its cache, as a run that views can look at. */
import { UnavailableError } from "../../tensor/index.js";
import type { LabCall } from "./labs.js";

/** The lab call "generated": the run of the model's latest generation. */
export const generated: LabCall = async (asked, _options, context) => {
  const { model } = asked as { model: string };
  const source = await context.source(model);
  if (!source.written) {
    throw new UnavailableError({ where: "timeline", argument: source.card.name, got: "has not written anything yet" });
  }
  return context.keep(source, source.written);
};
