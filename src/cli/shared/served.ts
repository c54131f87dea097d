/** @file The model that a page is to be served with: a path on this machine, or one from the hub, fetched first. */
import { existsSync } from "node:fs";
import { downloadModel } from "../../models/index.js";
import { downloadBar } from "./model.js";

/** "org/name" or "org/name@revision", where no such path is here. */
const isHubId = (model: string): boolean => /^[\w-][\w.-]*\/[\w.-]+(@\S+)?$/.test(model) && !existsSync(model);

/** @throws {FileError | UnavailableError} as `downloadModel` does */
export async function servedModel(model: string): Promise<string | { path: string; name: string }> {
  if (!isHubId(model)) return model;
  const bar = downloadBar();
  try {
    const { id, folder } = await downloadModel(model, { onProgress: bar.update });
    return { path: folder, name: id };
  } finally {
    bar.stop();
  }
}
