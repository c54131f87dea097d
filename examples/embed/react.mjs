// React 19 sets properties of custom elements and listens to their events by name. No wrapper is needed.
import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

function Heads({ src }) {
  const [head, setHead] = useState(0);
  const [cell, setCell] = useState(null);
  return h(
    "main",
    null,
    h("h1", null, "A head in React"),
    h("button", { id: "next", type: "button", onClick: () => setHead(head + 1) }, `head ${head}`),
    h("attention-view", { src, layer: 1, head, "onattention-select": (e) => setCell(e.detail) }),
    h("p", { id: "said" }, cell ? `${cell.query} → ${cell.key}: ${cell.weight.toFixed(4)}` : "choose a cell"),
  );
}

createRoot(document.getElementById("root")).render(h(StrictMode, null, h(Heads, { src: "run.safetensors" })));
