// An attention behind HTTP that `qkv check http://localhost:8077` can ask: POST the messages of attention.py, without ids.
// node examples/check-protocol/server.mjs [port]
import { createServer } from "node:http";

const floats = (t) => new Float32Array(new Uint8Array(Buffer.from(t.data, "base64")).buffer);

/** softmax(q·kᵀ·scale)·v with causal, mask and keyPadding; tensors as they travel. */
function attention({ q, k, v, options: { causal, mask, scale, keyPadding } }) {
  const [B, H, Lq, D] = q.shape;
  const [Lk, Dv] = [k.shape[2], v.shape[3]];
  if (k.shape[1] !== H) throw new Error("grouped heads are not supported");
  const [Q, K, V] = [floats(q), floats(k), floats(v)];
  const [M, P] = [mask && Buffer.from(mask.data, "base64"), keyPadding && Buffer.from(keyPadding.data, "base64")];
  const place = (p) => mask.shape.reduce((n, size, a) => n * size + (size === 1 ? 0 : p[a]), 0);
  const output = new Array(B * H * Lq * Dv).fill(0);
  for (let n = 0; n < B * H * Lq; n++) {
    const [b, h, i] = [Math.floor(n / (H * Lq)), Math.floor(n / Lq) % H, n % Lq];
    const seen = Array.from({ length: Lk }, (_, j) => j).filter(
      (j) => !(causal && j > i + Lk - Lq) && !(P && !P[b * Lk + j]) && !(M && !M[place([b, h, i, j])]),
    );
    const key = (j) => (b * H + h) * Lk + j;
    const s = seen.map((j) => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += Q[n * D + d] * K[key(j) * D + d];
      return sum * (scale ?? 1 / Math.sqrt(D));
    });
    const top = Math.max(...s);
    const e = s.map((x) => Math.exp(x - top));
    const total = e.reduce((a, x) => a + x, 0);
    seen.forEach((j, x) => {
      for (let d = 0; d < Dv; d++) output[n * Dv + d] += (e[x] / total) * V[key(j) * Dv + d];
    });
  }
  return { shape: [B, H, Lq, Dv], data: output };
}

export const server = createServer(async (request, response) => {
  let text = "";
  for await (const part of request) text += part;
  try {
    const message = JSON.parse(text);
    const answer = message.op === "hello" ? { kind: "attention" } : { output: attention(message) };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  } catch (error) {
    response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: error.message }));
  }
});

if (process.argv[1]?.endsWith("server.mjs"))
  server.listen(Number(process.argv[2] ?? 8077), () => console.log("listening"));
