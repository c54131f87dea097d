/** @file A hub id as a model's files. */
import { openFolder } from "../folder.js";
import type { ModelFiles } from "../files.js";
import type { LoadModelOptions } from "../load-model.js";
import { downloadModel } from "./download.js";
import { parseHubId } from "./settings.js";

/** Fetches what is not in the cache yet, then opens the snapshot. */
export async function hubFiles(source: string, { fetch, onDownload }: LoadModelOptions): Promise<ModelFiles> {
  parseHubId(source); // what is neither a path nor an id is refused in the words of loadModel
  const { folder } = await downloadModel(source, { fetch, onProgress: onDownload });
  return openFolder(folder, source);
}
