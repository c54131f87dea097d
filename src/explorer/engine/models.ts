/** @file Models as sources: the bundled one, folders the server hands over, folders dropped on the page. */
import { UnavailableError } from "../../tensor/index.js";
import type { CallOptions, DroppedFile } from "./protocol.js";
import type { Source } from "./sources.js";

export async function filesSource(_files: DroppedFile[], _options: CallOptions): Promise<Source> {
  throw new UnavailableError({ where: "explore", argument: "a model folder", got: "cannot be opened here yet" });
}
