/**
 * @file A model from the hub into the cache that Python's huggingface_hub shares.
 *
 *     models--org--name/
 *       refs/main                   the commit that "main" is
 *       blobs/ETAG                  contents, once
 *       snapshots/COMMIT/FILE  ──▶  ../../blobs/ETAG
 */
import { FileError, QkvError } from "../../../tensor/index.js";
import { shardNames } from "../folder.js";
import { fetchBlob, isFile } from "./blob.js";
import { fileFacts, listFiles, NoAnswer } from "./client.js";
import { type Hub, type HubId, type HubOptions, hubSettings, parseHubId, revisionOf } from "./settings.js";

export interface DownloadOptions extends HubOptions {
  revision?: string | undefined;
  /** Only these files of the repository. Default: what `loadModel` reads, safetensors before anything else. */
  files?: readonly string[] | undefined;
  /** Bytes of a file so far; `total` is unknown where the hub does not say. */
  onProgress?: ((file: string, done: number, total: number | undefined) => void) | undefined;
}

export interface Downloaded {
  id: string;
  commit: string;
  /** Holds the files under their own names; `loadModel` opens it. */
  folder: string;
  files: string[];
}

/**
 * Fetches a model, or finds it in the cache.
 * @param source "org/name" or "org/name@revision"
 * @throws {FileError | UnavailableError} in one line: not there, not open, no network and not in the cache, a checksum
 *   that does not hold, a full disk. No half file is ever taken for a whole one.
 */
export async function downloadModel(source: string, options: DownloadOptions = {}): Promise<Downloaded> {
  const parsed = parseHubId(source, "get");
  const id = { ...parsed, revision: revisionOf(options.revision ?? parsed.revision) };
  const hub = await hubSettings(options);
  const cached = await inCache(hub, id, options.files);
  if (hub.offline) return cached ?? notInCache(hub, id, "and HF_HUB_OFFLINE asks to use nothing else");
  try {
    return await fetchAll(hub, id, options);
  } catch (error) {
    if (error instanceof NoAnswer && cached) return cached; // without a network what is there must do
    throw cannotBeWritten(error, hub) ?? error;
  }
}

/** An error of the file system, in words that name the way out. */
function cannotBeWritten(error: unknown, hub: Hub): FileError | undefined {
  const { code, syscall } = error as { code?: string; syscall?: string };
  if (error instanceof QkvError || code === undefined || syscall === undefined) return undefined;
  const got = `cannot be written (${code})`;
  const fix = "set HF_HUB_CACHE, or --cache-dir, to a folder that can";
  return new FileError({ where: "get", argument: `the cache ${hub.cacheDir}`, got, fix }, { cause: error });
}

async function fetchAll(hub: Hub, id: HubId, { files: asked, onProgress }: DownloadOptions): Promise<Downloaded> {
  const { mkdir, readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const listing = await listFiles(hub, id);
  const storage = storageOf(hub, id.id, join);
  const at = { id: id.id, revision: listing.commit };
  const folder = join(storage, "snapshots", listing.commit);
  const done: string[] = [];
  const get = async (file: string): Promise<string> => {
    requireInside(file, id.id);
    const path = join(folder, file);
    done.push(file);
    if (await isFile(path)) return path; // of this very commit, and under this name only once it was checked
    const facts = await fileFacts(hub, at, file);
    const blob = join(storage, "blobs", facts.etag);
    await mkdir(join(storage, "blobs"), { recursive: true });
    await fetchBlob(hub, at, file, facts, blob, (n, total) => onProgress?.(file, n, total));
    await link(blob, path);
    return path;
  };
  if (asked) {
    for (const file of asked) {
      if (!listing.files.includes(file)) throw missing(file, id.id, listing.files);
      await get(file);
    }
  } else {
    for (const file of smallFiles(listing.files)) await get(file);
    const index = "model.safetensors.index.json";
    if (listing.files.includes("model.safetensors")) await get("model.safetensors");
    else if (listing.files.includes(index)) {
      const path = await get(index);
      for (const shard of shardNames(await readFile(path, "utf8"), path)) await get(shard);
    } else throw noWeights(id.id, listing.files);
  }
  if (id.revision !== listing.commit) await writeRef(storage, id.revision, listing.commit);
  return { id: id.id, commit: listing.commit, folder, files: done };
}

/** What a model reads beside its weights. */
const wanted =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|modules|sentence_bert_config)\.json$|^chat_template\.jinja$|^\d+_[A-Za-z]+\/config\.json$/;

const smallFiles = (files: readonly string[]): string[] => files.filter((f) => wanted.test(f));

/** A snapshot in the cache that has what is asked for. */
async function inCache(hub: Hub, { id, revision }: HubId, files?: readonly string[]): Promise<Downloaded | undefined> {
  const { readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const storage = storageOf(hub, id, join);
  const ref = await readFile(join(storage, "refs", revision), "utf8").catch(() => undefined);
  const commit = ref?.trim() ?? revision;
  const folder = join(storage, "snapshots", commit);
  const has = (file: string): Promise<boolean> => isFile(join(folder, file));
  if (files) {
    for (const file of files) if (!(await has(file))) return undefined;
    return { id, commit, folder, files: [...files] };
  }
  if (!(await has("config.json"))) return undefined;
  const index = "model.safetensors.index.json";
  const isWhole = await has("model.safetensors");
  if (!isWhole && !(await has(index))) return undefined;
  const shards = isWhole ? [] : shardNames(await readFile(join(folder, index), "utf8"), join(folder, index));
  const weights = isWhole ? ["model.safetensors"] : [index, ...shards];
  for (const file of weights) if (!(await has(file))) return undefined;
  return { id, commit, folder, files: ["config.json", ...weights] };
}

const storageOf = (hub: Hub, id: string, join: (...parts: string[]) => string): string =>
  join(hub.cacheDir, ["models", ...id.split("/")].join("--"));

/** A name in the snapshot for contents in blobs: a link, or a copy where links are not allowed. */
async function link(blob: string, path: string): Promise<void> {
  const { copyFile, mkdir, rename, symlink } = await import("node:fs/promises");
  const { dirname, relative } = await import("node:path");
  await mkdir(dirname(path), { recursive: true });
  const fresh = temporary(path);
  await symlink(relative(dirname(path), blob), fresh).catch(() => copyFile(blob, fresh));
  await rename(fresh, path);
}

/** A name beside a file that no other process, and no other call of this one, uses. */
const temporary = (path: string): string => `${path}.${crypto.randomUUID()}.new`;

async function writeRef(storage: string, revision: string, commit: string): Promise<void> {
  const { mkdir, readFile, rename, writeFile } = await import("node:fs/promises");
  const { dirname, join } = await import("node:path");
  const path = join(storage, "refs", revision);
  if ((await readFile(path, "utf8").catch(() => "")) === commit) return; // a cache that is there may be read only
  await mkdir(dirname(path), { recursive: true });
  const fresh = temporary(path);
  await writeFile(fresh, commit);
  await rename(fresh, path);
}

/** A repository's file names are not to be trusted: none may lead out of its folder. */
function requireInside(file: string, id: string): void {
  const parts = file.split("/");
  if (parts.every((p) => p !== "" && p !== "." && p !== "..") && !/[\\:\0]/.test(file)) return;
  throw new FileError({
    where: "get",
    argument: id,
    got: `names a file ${JSON.stringify(file)}`,
    expected: "names inside its own folder",
  });
}

function missing(file: string, id: string, files: readonly string[]): FileError {
  const list = files.length > 12 ? `${files.slice(0, 12).join(", ")} and ${files.length - 12} more` : files.join(", ");
  return new FileError({ where: "get", argument: file, got: `is not in ${id}`, expected: `one of ${list}` });
}

function noWeights(id: string, files: readonly string[]): FileError {
  const gguf = files.find((f) => f.endsWith(".gguf"));
  return new FileError({
    where: "get",
    argument: id,
    got: "has no model.safetensors",
    expected: "model.safetensors, whole or in parts",
    fix: gguf ? `qkv get ${id} --file ${gguf}, then load that file` : "take a repository with safetensors weights",
  });
}

function notInCache(hub: Hub, { id, revision }: HubId, why: string): never {
  throw new FileError({
    where: "get",
    argument: `${id}@${revision}`,
    got: `is not in the cache ${hub.cacheDir}, ${why}`,
    fix: `fetch it once with a network: qkv get ${id}`,
  });
}
