/**
 * @file A cache for transformers.js in Node that hands out edited copies of models.
 *
 * transformers.js asks its cache first, by local path and by cache key, and takes a path for an answer. What is no model
 * is answered from where it would have come from: another custom cache, or transformers.js' folder `cacheDir`, in which
 * downloads are still kept, unedited.
 */
import type { AttentionKind } from "../attention/listen.js";
import type { ExposeOptions } from "./edit/expose.js";

export interface Cache {
  match(request: string): Promise<Response | string | undefined>;
  put(request: string, response: Response, progress?: unknown): Promise<void>;
  delete?(request: string): Promise<boolean>;
}

interface Setting {
  inner: Cache | undefined;
  env: { useFSCache?: boolean; cacheDir?: string | null };
  options: ExposeOptions & { folder?: string | undefined };
  exposed(bytes: Uint8Array): Partial<Record<AttentionKind, string>>;
  /** Awaited before the first model is handed out. */
  ready(): Promise<void>;
}

/**
 * Where transformers.js' own folder has what a custom cache is asked for by address:
 * https://huggingface.co/org/name/resolve/main/onnx/model.onnx → org/name/onnx/model.onnx. A path stays what it is.
 */
function keyOf(request: string): string {
  const [, model, revision, file] = /^https?:\/\/[^/]+\/(.+?)\/resolve\/([^/]+)\/([^?#]+)/.exec(request) ?? [];
  if (!file) return request;
  return revision === "main" ? `${model}/${file}` : `${model}/${decodeURIComponent(revision!)}/${file}`;
}

export function attentionCache({ inner, env, options, exposed, ready }: Setting): Cache {
  /** Edited copies by the file they were made from. */
  const copies = new Map<string, string>();
  const stored = async (request: string): Promise<string | undefined> => {
    const { existsSync, statSync } = await import("node:fs");
    const { join } = await import("node:path");
    const isFile = (p: string): boolean => existsSync(p) && statSync(p).isFile();
    if (env.useFSCache !== false && env.cacheDir && isFile(join(env.cacheDir, request)))
      return join(env.cacheDir, request);
    return isFile(request) ? request : undefined;
  };
  const copy = async (original: string): Promise<string> => {
    const known = copies.get(original);
    if (known) return known;
    const made = await editedCopy(original, options, exposed);
    copies.set(original, made);
    return made;
  };
  const slashes = (p: string): string => p.replaceAll("\\", "/");
  return {
    async match(address) {
      const request = keyOf(address);
      if (!request.endsWith(".onnx")) {
        if (inner) return inner.match(address);
        const { join } = await import("node:path");
        const { existsSync, readFileSync } = await import("node:fs");
        const file = env.useFSCache !== false && env.cacheDir ? join(env.cacheDir, request) : undefined;
        if (!file || !existsSync(file)) return undefined;
        const data = readFileSync(file);
        return new Response(data, { headers: { "content-length": String(data.length) } });
      }
      await ready();
      const original = (await stored(request)) ?? ((await inner?.match(address)) as string | undefined);
      if (typeof original === "string") return copy(original);
      // The same file is asked for by its local path first and by its cache key then.
      const asked = [...copies].find(([from]) => slashes(from).endsWith(`/${slashes(request)}`));
      return asked?.[1];
    },
    async put(request, response, progress) {
      if (inner) return inner.put(request, response, progress);
      if (!env.cacheDir) return;
      const { mkdirSync, renameSync, writeFileSync } = await import("node:fs");
      const { dirname, join } = await import("node:path");
      const file = join(env.cacheDir, keyOf(request));
      mkdirSync(dirname(file), { recursive: true });
      const part = `${file}.${process.pid}.part`;
      writeFileSync(part, new Uint8Array(await response.arrayBuffer()));
      renameSync(part, file);
    },
    async delete(request) {
      return (await inner?.delete?.(request)) ?? false;
    },
  };
}

/** Makes the edited copy of a model, or finds the one made before from the same file with the same options. */
async function editedCopy(original: string, options: Setting["options"], exposed: Setting["exposed"]): Promise<string> {
  const { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, realpathSync, statSync } = await import(
    "node:fs"
  );
  const { basename, dirname, join } = await import("node:path");
  const { tmpdir } = await import("node:os");
  const { createHash } = await import("node:crypto");
  const { externalFiles, checkedFolder } = await import("./run/external.js");
  const { readModel } = await import("./proto/read.js");
  const { memorySource } = await import("./wire/source.js");
  const { writeExposed } = await import("./file.js");
  const real = realpathSync(original);
  const { size, mtimeMs } = statSync(real);
  const { folder = join(tmpdir(), "qkv-attention"), ...rest } = options;
  const mark = createHash("sha256")
    .update(JSON.stringify([real, size, mtimeMs, rest]))
    .digest("hex")
    .slice(0, 16);
  const own = join(folder, mark);
  const target = join(own, basename(original));
  if (existsSync(target)) return target;
  mkdirSync(own, { recursive: true });
  const bytes = readFileSync(real);
  const model = readModel(memorySource(bytes, real));
  await checkedFolder(model, real);
  for (const location of externalFiles(model).keys()) {
    const [from, to] = [join(dirname(real), location), join(own, location)];
    if (existsSync(to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    try {
      linkSync(realpathSync(from), to); // onnxruntime refuses symbolic links out of the folder; a second name is none
    } catch {
      copyFileSync(from, to); // another disk
    }
  }
  await writeExposed(real, target, { ...rest, names: exposed(bytes) });
  return target;
}
