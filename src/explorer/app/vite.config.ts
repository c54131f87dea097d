/** @file How the explorer's page is built: no code from elsewhere, nothing inline (the page's CSP forbids it). */
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** package.json says that modules have no side effects, which holds for the library; the page's elements define themselves. */
function elementsDefineThemselves(): Plugin {
  return {
    name: "elements-define-themselves",
    transform: {
      filter: { id: /src\/explorer\/(views|labs|chapters|engine|app)\/.*\.ts/ },
      handler: (code) => ({ code, map: null, moduleSideEffects: true }),
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  plugins: [elementsDefineThemselves()],
  build: {
    outDir: fileURLToPath(new URL("../../../dist/explorer/app", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    rolldownOptions: { output: { chunkFileNames: "assets/[name]-[hash].js" } },
  },
  worker: {
    format: "es",
    plugins: () => [elementsDefineThemselves()],
    rolldownOptions: {
      external: ["onnxruntime-web", /^node:/], // the runtime is handed to `openOnnx`; the server serves it from node_modules
      output: { entryFileNames: "assets/worker-[hash].js", chunkFileNames: "assets/engine-[name]-[hash].js" },
    },
  },
});
