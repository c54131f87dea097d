/**
 * @file Bad input gets one clear line: where, what came, what was needed, and the way out. Models, files, tokenizers and
 * downloads here; operands and options of `attention` beside it, in src/attention/errors.test.ts.
 */
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { downloadModel, loadModel, type Model, readWeights } from "../../src/models/index.js";
import { QkvError, readSafetensors, type Tensor, tensor, writeSafetensors } from "../../src/tensor/index.js";
import { loadTokenizer } from "../../src/text/index.js";
import { root } from "../goldens/where.js";

/** Bytes the disk still takes; the download of the last test meets its end. */
let diskRoom = Number.POSITIVE_INFINITY;
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const open: typeof real.open = async (...args) => {
    const handle = await real.open(...args);
    const write = handle.write.bind(handle) as (...a: unknown[]) => Promise<{ bytesWritten: number }>;
    return Object.assign(handle, {
      write: async (bytes: Uint8Array, from: number, length: number, at: number) => {
        if (diskRoom <= 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
        const done = await write(bytes, from, Math.min(length, diskRoom), at);
        diskRoom -= done.bytesWritten;
        return done;
      },
    });
  };
  return { ...real, open };
});

const gpt2 = join(root, "test/goldens/data/gpt2/lm-h4-d32/model");
const wordPiece = join(root, "test/goldens/data/tokenizer/bert-wordpiece/tokenizer.json");
let place = "";
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), "qkv-bad-input-"));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** The whole message, with the temporary folder named PLACE; that it is one of ours, in one line. */
async function message(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(QkvError);
    const said = (error as Error).message.replaceAll(place, "PLACE").replaceAll(root, "ROOT");
    expect(said).not.toContain("\n");
    return said;
  }
  return "no error";
}

let copies = 0;
/** A copy of a small GPT-2 with something changed. */
function folder(change: (folder: string) => void): string {
  const copy = join(place, String(copies++));
  cpSync(gpt2, copy, { recursive: true });
  change(copy);
  return copy;
}
const configured =
  (changes: object) =>
  (folder: string): void => {
    const file = join(folder, "config.json");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...changes }));
  };
const weighted =
  (change: (weights: Map<string, Tensor>) => void) =>
  (folder: string): void => {
    const file = join(folder, "model.safetensors");
    const opened = readSafetensors(readFileSync(file));
    const weights = new Map(opened.names.map((name) => [name, opened.tensor(name)]));
    change(weights);
    writeFileSync(file, writeSafetensors(Array.from(weights, ([name, value]) => ({ name, value }))));
  };
/** Changes JSON of a safetensors header, byte by byte as it stands. */
const lying =
  (from: string, to: string) =>
  (folder: string): void => {
    const file = join(folder, "model.safetensors");
    const bytes = readFileSync(file);
    const at = bytes.indexOf(from);
    expect(at).toBeGreaterThan(0);
    expect(to.length).toBe(from.length);
    bytes.write(to, at);
    writeFileSync(file, bytes);
  };

describe("what a model reads", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(gpt2);
  });
  test("no tokens", async () =>
    expect(await message(() => model.forward({ inputIds: [[]] }))).toMatchInlineSnapshot(
      `"forward: inputIds has no tokens; expected at least one a row. Fix: an empty text gives no token where the tokenizer adds none; begin with the model's first token (bos)."`,
    ));
  test("an empty text to continue", async () =>
    expect(await message(() => model.generate([]).next())).toMatchInlineSnapshot(
      `"generate: ids has no tokens; expected at least one a text. Fix: begin with the model's first token (bos)."`,
    ));
  test("a text longer than the context", async () =>
    expect(await message(() => model.forward({ inputIds: [Array(65).fill(1)] }))).toMatchInlineSnapshot(
      `"forward: inputIds has 65 tokens; expected at most 64, the positions this model knows. Fix: cut the text: ids.slice(0, 64)."`,
    ));
  test("a text longer than the context, to continue", async () =>
    expect(await message(() => model.generate(Array(64).fill(1)).next())).toMatchInlineSnapshot(
      `"generate: ids has 64 tokens; expected at most 64 tokens in all, the context of this model. Fix: keep the last tokens: ids.slice(-63)."`,
    ));
  test("more new tokens than the context has room for", async () =>
    expect(await message(() => model.generate([1, 2], { maxNewTokens: 63 }).next())).toMatchInlineSnapshot(
      `"generate: maxNewTokens is 63 after 2 tokens; expected at most 64 tokens in all, the context of this model. Fix: maxNewTokens: 62."`,
    ));
  test("NaN among the ids", async () =>
    expect(await message(() => model.forward({ inputIds: [[1, Number.NaN]] }))).toMatchInlineSnapshot(
      `"forward: inputIds has NaN at row 0, token 1; expected whole numbers from 0 to 96, the rows of the embedding. Fix: use the tokenizer that belongs to this model."`,
    ));
  test("an id past the vocabulary", async () =>
    expect(
      await message(() =>
        model.forward({
          inputIds: [
            [1, 2],
            [3, 97],
          ],
        }),
      ),
    ).toMatchInlineSnapshot(
      `"forward: inputIds has 97 at row 1, token 1; expected whole numbers from 0 to 96, the rows of the embedding. Fix: use the tokenizer that belongs to this model."`,
    ));
  test("a text instead of ids", async () =>
    expect(await message(() => model.forward({ inputIds: "hello" as never }))).toMatchInlineSnapshot(
      `"forward: inputIds is string; expected rows of token ids, number[][]. Fix: encode the text first: model.tokenizer.encode(text).ids."`,
    ));
  test("nothing", async () =>
    expect(await message(() => model.forward({} as never))).toMatchInlineSnapshot(
      `"forward: inputs has no inputIds; expected { inputIds: number[][], … }. Fix: forward({ inputIds: [model.tokenizer.encode(text).ids] })."`,
    ));
  test("an attention mask of another length", async () =>
    expect(
      await message(() => model.forward({ inputIds: [[1, 2, 3]], attentionMask: [[1, 1]] })),
    ).toMatchInlineSnapshot(`"forward: attentionMask has 2 entries in row 0; expected 3, as in inputIds."`));
  test("an additive attention mask", async () =>
    expect(
      await message(() => model.forward({ inputIds: [[1, 2]], attentionMask: [[0, -10000]] })),
    ).toMatchInlineSnapshot(
      `"forward: attentionMask has -10000 at row 0, token 1; expected 1 for a real token, 0 for padding."`,
    ));
  test("positions past the table", async () =>
    expect(await message(() => model.forward({ inputIds: [[1, 2]], positionIds: [[63, 64]] }))).toMatchInlineSnapshot(
      `"forward: positionIds has 64 at row 0, token 1; expected 0 … 63."`,
    ));
  test("its tokenizer, where there is none", async () =>
    expect(await message(() => model.tokenizer.encode("hello"))).toMatchInlineSnapshot(
      `"model: tokenizer is not there: ROOT/test/goldens/data/gpt2/lm-h4-d32/model has no tokenizer.json. Fix: put tokenizer.json beside config.json, or work on ids."`,
    ));
  test("a head that is not there, to be edited", async () =>
    expect(
      await message(() => model.forward({ inputIds: [[1]] }, { edit: [{ layer: 1, head: 4, output: "zero" }] })),
    ).toMatchInlineSnapshot(`"forward: edit names head 4; expected 0 … 3, the heads of layer 1."`));
  test("a layer that is not there, to be edited", async () =>
    expect(
      await message(() => model.forward({ inputIds: [[1]] }, { edit: [{ layer: 2, output: "zero" }] })),
    ).toMatchInlineSnapshot(`"forward: edit[0] names layer 2; expected 0 … 1, the layers of this model."`));
  test("a negative temperature", async () =>
    expect(await message(() => model.generate([1], { temperature: -1 }).next())).toMatchInlineSnapshot(
      `"generate: temperature is -1; expected a number ≥ 0; 0 is greedy."`,
    ));
});

describe("a model's folder", () => {
  const loaded = (change: (folder: string) => void): Promise<string> => message(() => loadModel(folder(change)));
  test("without config.json", async () =>
    expect(await loaded((f) => rmSync(join(f, "config.json")))).toMatchInlineSnapshot(
      `"loadModel: PLACE/0 has no config.json; expected a folder with config.json and model.safetensors, as save_pretrained() writes it. Fix: give the folder that holds config.json, a .gguf file, a hub id or "bundled"."`,
    ));
  test("without weights", async () =>
    expect(await loaded((f) => rmSync(join(f, "model.safetensors")))).toMatchInlineSnapshot(
      `"loadModel: PLACE/1 has no model.safetensors; expected model.safetensors, or model.safetensors.index.json and its parts. Fix: save it from Python: model.save_pretrained("FOLDER", safe_serialization=True)."`,
    ));
  test("with pickled weights only", async () =>
    expect(
      await loaded((f) => {
        rmSync(join(f, "model.safetensors"));
        writeFileSync(join(f, "pytorch_model.bin"), "");
      }),
    ).toMatchInlineSnapshot(
      `"loadModel: PLACE/2 has no model.safetensors, only pickled weights, which are programs and are not run; expected model.safetensors, or model.safetensors.index.json and its parts. Fix: save it from Python: model.save_pretrained("FOLDER", safe_serialization=True)."`,
    ));
  test("that is not there", async () =>
    expect(await message(() => loadModel("./no such folder"))).toMatchInlineSnapshot(
      `"loadModel: "./no such folder" is neither a file or folder that is there nor a hub id; expected a folder, a .gguf file, "org/name", "org/name@revision" or "bundled". Fix: look at the path: it is taken from the working directory."`,
    ));
  test("config.json that is not JSON", async () =>
    expect(await loaded((f) => writeFileSync(join(f, "config.json"), "{"))).toMatchInlineSnapshot(
      `"loadModel: PLACE/3/config.json is not JSON. Fix: fetch it again."`,
    ));
  test("an architecture that is not known names the nearest", async () =>
    expect(await loaded(configured({ model_type: "gpt_2" }))).toMatchInlineSnapshot(
      `"loadModel: "model_type" of PLACE/4/config.json is "gpt_2"; nearest is "gpt2"; expected one of bert, distilbert, gemma, gemma2, gemma3_text, gpt2, gpt_neox, llama, mistral, olmo2, phi3, qwen2, qwen3, roberta, starcoder2, t5. Fix: see docs/adding-a-model.md: an architecture is one file and one line."`,
    ));
  test("no architecture at all", async () =>
    expect(await loaded(configured({ model_type: undefined }))).toMatchInlineSnapshot(
      `"loadModel: "model_type" of PLACE/5/config.json is missing; expected one of bert, distilbert, gemma, gemma2, gemma3_text, gpt2, gpt_neox, llama, mistral, olmo2, phi3, qwen2, qwen3, roberta, starcoder2, t5. Fix: see docs/adding-a-model.md: an architecture is one file and one line."`,
    ));
  test("a size that is none", async () =>
    expect(await loaded(configured({ n_layer: 0 }))).toMatchInlineSnapshot(
      `"loadModel: "n_layer" of PLACE/6/config.json is 0; expected a whole number ≥ 1."`,
    ));
  test("heads that do not divide the width", async () =>
    expect(await loaded(configured({ n_head: 5 }))).toMatchInlineSnapshot(
      `"loadModel: "n_head" of PLACE/7/config.json is 5; expected a number that divides n_embd 32."`,
    ));
  test("an activation that is not known", async () =>
    expect(await loaded(configured({ activation_function: "mish" }))).toMatchInlineSnapshot(
      `"loadModel: "activation_function" of PLACE/8/config.json is "mish"; expected one of relu, gelu, gelu_python, gelu_new, gelu_pytorch_tanh, gelu_fast, silu, swish, tanh."`,
    ));
  test("a config of another width than the weights", async () =>
    expect(await loaded(configured({ n_embd: 48 }))).toMatchInlineSnapshot(
      `"loadModel: "transformer.wte.weight" has 32 on axis 1 of [97, 32]; expected 48, as PLACE/9/config.json says: [97, 48]. Fix: use the config.json that belongs to these weights."`,
    ));
  test("a missing weight, with the nearest there is", async () =>
    expect(
      await loaded(
        weighted((w) => {
          w.set("transformer.h.1.ln_1.wieght", w.get("transformer.h.1.ln_1.weight")!);
          w.delete("transformer.h.1.ln_1.weight");
        }),
      ),
    ).toMatchInlineSnapshot(
      `"loadModel: "transformer.h.1.ln_1.weight" is not among the 28 weights given; nearest is "transformer.h.1.ln_1.wieght". Fix: give every weight that parameters() lists."`,
    ));
  test("a weight too many, with the nearest there is", async () =>
    expect(await loaded(weighted((w) => w.set("transformer.h.1.ln_3.weight", tensor([1]))))).toMatchInlineSnapshot(
      `"loadModel: "transformer.h.1.ln_3.weight" is no weight of this layer; nearest is "transformer.h.1.ln_1.weight". Fix: leave it out, or build the layer with the option that has this weight."`,
    ));
  test("a tokenizer of a larger vocabulary", async () =>
    expect(await loaded((f) => cpSync(wordPiece, join(f, "tokenizer.json")))).toMatchInlineSnapshot(
      `"loadModel: tokenizer.json has 900 ids; expected at most 97, the vocab_size of PLACE/12/config.json. Fix: use the tokenizer that belongs to this model."`,
    ));
});

describe("a weights file", () => {
  const loaded = (change: (folder: string) => void): Promise<string> => message(() => loadModel(folder(change)));
  const cut =
    (bytes: number) =>
    (f: string): void => {
      const file = join(f, "model.safetensors");
      writeFileSync(file, readFileSync(file).subarray(0, bytes));
    };
  test("that is empty", async () =>
    expect(await loaded(cut(0))).toMatchInlineSnapshot(
      `"safetensors: PLACE/13/model.safetensors has 0 bytes; expected at least 8. Fix: the file is damaged or no safetensors file; fetch it again."`,
    ));
  test("cut within its header", async () =>
    expect(await loaded(cut(100))).toMatchInlineSnapshot(
      `"safetensors: PLACE/14/model.safetensors says its header has 2592 bytes but has 100 bytes in all; expected a header within the file. Fix: the file is damaged or no safetensors file; fetch it again."`,
    ));
  test("cut within its numbers", async () =>
    expect(await loaded(cut(10_000))).toMatchInlineSnapshot(
      `"safetensors: tensor "transformer.h.0.attn.c_attn.weight" of PLACE/15/model.safetensors ends at byte 12672 of the data, which has 7400 bytes. Fix: the file is cut short; fetch it again."`,
    ));
  test("whose header is no JSON", async () =>
    expect(await loaded(lying('{"', "{}"))).toMatchInlineSnapshot(
      `"safetensors: PLACE/16/model.safetensors has a header that is not JSON. Fix: the file is damaged; fetch it again."`,
    ));
  test("that lies about a number form", async () =>
    expect(await loaded(lying('"F32"', '"F99"'))).toMatchInlineSnapshot(
      `"safetensors: tensor "transformer.h.0.attn.c_attn.bias" of PLACE/17/model.safetensors has dtype "F99"; expected one of F64, F32, F16, BF16, I64, U64, I32, U32, I16, U16, I8, U8, BOOL."`,
    ));
  test("that lies about a shape", async () =>
    expect(await loaded(lying("[96]", "[97]"))).toMatchInlineSnapshot(
      `"safetensors: tensor "transformer.h.0.attn.c_attn.bias" of PLACE/18/model.safetensors has 384 bytes; expected 388 for F32 [97]."`,
    ));
  test("whose header claims more than the file has", async () =>
    expect(
      await loaded((f) => {
        const file = join(f, "model.safetensors");
        const bytes = readFileSync(file);
        bytes.writeBigUInt64LE(2n ** 60n, 0);
        writeFileSync(file, bytes);
      }),
    ).toMatchInlineSnapshot(
      `"safetensors: PLACE/19/model.safetensors says its header has 1152921504606846976 bytes but has 125096 bytes in all; expected a header within the file. Fix: the file is damaged or no safetensors file; fetch it again."`,
    ));
  test("a tensor that is not in it", async () =>
    expect(
      await message(async () => (await readWeights(join(gpt2, "model.safetensors"))).tensor("wte")),
    ).toMatchInlineSnapshot(
      `"readWeights: "wte" is not in ROOT/test/goldens/data/gpt2/lm-h4-d32/model/model.safetensors; expected one of its 28 tensors."`,
    ));
  test("that is not there", async () =>
    expect(await message(() => readWeights(join(place, "none.safetensors")))).toMatchInlineSnapshot(
      `"readWeights: PLACE/none.safetensors is not there."`,
    ));
});

describe("a tokenizer", () => {
  const opened = (change: (json: any) => void): Promise<string> =>
    message(() => {
      const json = JSON.parse(readFileSync(wordPiece, "utf8"));
      change(json);
      const file = join(place, "tokenizer.json");
      writeFileSync(file, JSON.stringify(json));
      return loadTokenizer(file);
    });
  test("without a model", async () =>
    expect(await opened((t) => delete t.model)).toMatchInlineSnapshot(
      `"loadTokenizer: PLACE/tokenizer.json has no section "model"; expected a section "model". Fix: use the tokenizer.json that belongs to the model."`,
    ));
  test("without a vocabulary", async () =>
    expect(await opened((t) => delete t.model.vocab)).toMatchInlineSnapshot(
      `"loadTokenizer: PLACE/tokenizer.json has no section "model.vocab"; expected a vocabulary. Fix: use the tokenizer.json that belongs to the model."`,
    ));
  test("without merges", async () =>
    expect(await opened((t) => Object.assign(t.model, { type: "BPE" }))).toMatchInlineSnapshot(
      `"loadTokenizer: PLACE/tokenizer.json has no section "model.merges"; expected a list of merges. Fix: use the tokenizer.json that belongs to the model."`,
    ));
  test("of a kind that is not known", async () =>
    expect(await opened((t) => Object.assign(t.model, { type: "Morse" }))).toMatchInlineSnapshot(
      `"loadTokenizer: PLACE/tokenizer.json has a model of type "Morse"; expected one of BPE, WordPiece, Unigram. Fix: use the tokenizer.json that belongs to the model."`,
    ));
  test("with a step that is not known", async () =>
    expect(await opened((t) => Object.assign(t, { pre_tokenizer: { type: "Whitespaces" } }))).toMatchInlineSnapshot(
      `"loadTokenizer: tokenizer.json has a pre_tokenizer of type "Whitespaces"; expected one of BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit."`,
    ));
  test("a folder without one", async () =>
    expect(await message(() => loadTokenizer(gpt2))).toMatchInlineSnapshot(
      `"loadTokenizer: ROOT/test/goldens/data/gpt2/lm-h4-d32/model is a folder without tokenizer.json; expected a tokenizer.json, or a folder that has one. Fix: save one from Python: AutoTokenizer.from_pretrained("…", use_fast=True).save_pretrained("FOLDER")."`,
    ));
  test("several texts at once", async () =>
    expect(
      await message(async () => (await loadTokenizer(wordPiece)).encode(["a", "b"] as never)),
    ).toMatchInlineSnapshot(
      `"encode: text is an array; expected a string. Fix: encode each text by itself: texts.map((t) => tokenizer.encode(t))."`,
    ));
  test("an id that is none", async () =>
    expect(await message(async () => (await loadTokenizer(wordPiece)).decode([1e6]))).toMatchInlineSnapshot(
      `"decode: ids contain 1000000; expected whole numbers from 0 to 899 that are in the vocabulary."`,
    ));
});

describe("a download", () => {
  const files: Record<string, Uint8Array> = {
    "config.json": readFileSync(join(gpt2, "config.json")),
    "model.safetensors": readFileSync(join(gpt2, "model.safetensors")),
  };
  /** A hub without a network: the answers it would give. */
  const hub = async (input: unknown): Promise<Response> => {
    const { pathname } = new URL(String(input));
    const siblings = Object.keys(files).map((rfilename) => ({ rfilename }));
    if (pathname.startsWith("/api/")) return Response.json({ sha: "c0ffee", siblings });
    const bytes = files[pathname.split("/").at(-1)!]!;
    const etag = createHash("sha256").update(bytes).digest("hex");
    return new Response(bytes.slice(), { headers: { etag: `"${etag}"`, "content-length": String(bytes.length) } });
  };
  const settings = (name: string, fetch: unknown) => ({
    cacheDir: join(place, name),
    endpoint: "http://hub.example",
    token: "none",
    fetch: fetch as typeof globalThis.fetch,
  });

  test("without a network", async () => {
    const fails = (): Promise<Response> =>
      Promise.reject(Object.assign(new TypeError("fetch failed"), { cause: { code: "ENOTFOUND" } }));
    expect(await message(() => downloadModel("org/name", settings("none", fails)))).toMatchInlineSnapshot(
      `"get: hub.example cannot be reached (ENOTFOUND). Fix: look at the network and HF_ENDPOINT, or load a folder that is on this machine."`,
    );
  });
  test("onto a disk that is full: one line, and no half file is left", async () => {
    diskRoom = 20_000;
    try {
      expect(await message(() => downloadModel("org/name", settings("full", hub)))).toMatchInlineSnapshot(
        `"get: model.safetensors of org/name does not fit on the disk: it has 125096 bytes. Fix: make room in PLACE/full, or set HF_HUB_CACHE to a folder on another disk."`,
      );
    } finally {
      diskRoom = Number.POSITIVE_INFINITY;
    }
    const left = readdirSync(join(place, "full/models--org--name/blobs"));
    expect(left).toEqual([createHash("sha256").update(files["config.json"]!).digest("hex")]); // what was whole stays
    const { folder } = await downloadModel("org/name", settings("full", hub)); // with room again it goes through
    expect((await loadModel(folder)).architecture).toBe("gpt2");
  });
});
