// node examples/onnx/whisper-words.mjs model.onnx [features.f32] [ids]
// When each token of a transcript was heard: dynamic time warping over Whisper's cross-attention (word-times.mjs).
//   model.onnx    encoder and decoder in one graph, from any exporter
//   features.f32  log-mel features [bins, frames] as raw float32; without it the sound is made up, so that the example runs by itself
//   ids           the transcript's token ids, "50258,50259,…"; default 1,2,3,4
// With transformers.js: the maps that `withAttention(env)` puts into `cross_attentions` go into `tokenFrames` just the same.
import { readFileSync } from "node:fs";
import { openOnnx } from "qkv/onnx";
import { tokenFrames } from "./word-times.mjs";

/** Whisper's encoder halves the frames of its features, which are 10 ms long: 0.02 s each. */
const secondsPerFrame = 0.02;

const [file, sound, ids = "1,2,3,4"] = process.argv.slice(2);
if (!file) {
  console.log("usage: node examples/onnx/whisper-words.mjs model.onnx [features.f32] [ids]");
} else {
  const model = await openOnnx(file);
  const shape = model.inputs.find((v) => v.name === "input_features")?.shape ?? [];
  const bins = Number(shape[1]) || 80;
  const bytes = sound && readFileSync(sound);
  const given = bytes && new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const frames = given ? given.length / bins : Number(shape[2]) || 3000;
  const data = given ?? Float32Array.from({ length: bins * frames }, (_, i) => Math.sin(i * 0.37));
  const tokens = ids.split(",").map(Number);
  const { trace } = await model.run(
    {
      input_features: { data, shape: [1, bins, frames] },
      decoder_input_ids: { data: tokens, shape: [1, tokens.length] },
    },
    { kinds: ["cross"] },
  );
  const maps = trace.layers("cross").map((layer) => trace.weights({ kind: "cross", layer }));
  const second = (frame) => (frame * secondsPerFrame).toFixed(2);
  tokenFrames(maps).forEach(({ from, to }, i) => {
    console.log(`token ${tokens[i]}: ${second(from)} – ${second(to)} s`);
  });
}
