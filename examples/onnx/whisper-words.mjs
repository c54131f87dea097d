// node examples/onnx/whisper-words.mjs model.onnx
// Which frames of a sound each token listens to: the mean over heads of Whisper's cross-attention, and its peak.
// Any file with encoder and decoder in one graph serves; the sound here is noise, so that the example runs by itself.
import { openOnnx } from "qkv/onnx";

const [file] = process.argv.slice(2);
if (!file) {
  console.log("usage: node examples/onnx/whisper-words.mjs model.onnx");
} else {
  const model = await openOnnx(file);
  const bins = Number(model.inputs.find((v) => v.name === "input_features")?.shape?.[1] ?? 80);
  const frames = Number(model.inputs.find((v) => v.name === "input_features")?.shape?.[2]) || 3000;
  const features = Float32Array.from({ length: bins * frames }, (_, i) => Math.sin(i * 0.37));
  const tokens = [1, 2, 3, 4];
  const { trace } = await model.run(
    {
      input_features: { data: features, shape: [1, bins, frames] },
      decoder_input_ids: { data: tokens, shape: [1, tokens.length] },
    },
    { kinds: ["cross"] },
  );
  const layer = trace.layers("cross").at(-1);
  const map = trace.weights({ kind: "cross", layer });
  const [, heads, queries, keys] = map.shape;
  for (let q = 0; q < queries; q++) {
    const mean = Float64Array.from({ length: keys }, (_, k) => {
      let sum = 0;
      for (let h = 0; h < heads; h++) sum += map.data[(h * queries + q) * keys + k];
      return sum / heads;
    });
    const peak = mean.indexOf(Math.max(...mean));
    console.log(`token ${tokens[q]}: frame ${peak} of ${keys} (${mean[peak].toFixed(3)})`);
  }
}
