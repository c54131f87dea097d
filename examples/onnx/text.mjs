// node examples/onnx/text.mjs model.onnx "the cat sat on the mat"
// Who attends to whom, in every layer, for any text model with a tokenizer.json beside it.
import { readTextWithOnnx } from "qkv/onnx";

const [file, text = "the cat sat on the mat"] = process.argv.slice(2);
if (!file) {
  console.log('usage: node examples/onnx/text.mjs model.onnx "a text"');
} else {
  const { trace } = await readTextWithOnnx(file, text);
  for (const { site, heads } of trace.records) {
    const { rows, columns } = trace.sequences(site.kind);
    const map = trace.weights({ ...site, batch: 0 });
    const [, , queries, keys] = map.shape;
    for (let head = 0; head < heads; head++) {
      const last = map.data.subarray((head * queries + queries - 1) * keys, (head * queries + queries) * keys);
      const best = last.indexOf(Math.max(...last));
      const [from, to] = [rows[0]?.tokens[queries - 1], columns[0]?.tokens[best]];
      console.log(`${site.kind} layer ${site.layer} head ${head}: ${from} → ${to} (${last[best].toFixed(2)})`);
    }
  }
}
