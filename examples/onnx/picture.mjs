// node examples/onnx/picture.mjs vit.onnx
// Where a vision Transformer's class token looks: the last layer's heads, one character a patch.
import { openOnnx } from "qkv/onnx";

const [file] = process.argv.slice(2);
if (!file) {
  console.log("usage: node examples/onnx/picture.mjs vit.onnx");
} else {
  const model = await openOnnx(file);
  const shape = (model.inputs.find((v) => v.name === "pixel_values")?.shape ?? []).map((d, i) =>
    typeof d === "number" ? d : [1, 3, 224, 224][i],
  );
  const size = shape.reduce((n, d) => n * d, 1);
  const picture = Float32Array.from({ length: size }, (_, i) => Math.sin(i / 50));
  const { trace } = await model.run({ pixel_values: { data: picture, shape } });
  const layer = trace.layers("self").at(-1);
  const {
    data,
    shape: [, heads, , keys],
  } = trace.weights({ layer, batch: 0, rows: [0, 1] });
  const side = Math.round(Math.sqrt(keys - 1));
  for (let h = 0; h < heads; h++) {
    const row = data.subarray(h * keys + 1, (h + 1) * keys);
    const most = Math.max(...row);
    console.log(`head ${h}`);
    for (let y = 0; y < side; y++)
      console.log(
        [...row.subarray(y * side, (y + 1) * side)].map((x) => " ·:+#█"[Math.round((x / most) * 5)]).join(""),
      );
  }
}
