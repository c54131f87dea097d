/** @file How the worker for the reader's own code is built: one file without imports. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const light = fileURLToPath(new URL("./light-standard.ts", import.meta.url));

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [
    {
      name: "reference-kernel",
      enforce: "pre",
      resolveId: (source, importer) =>
        source === "./standard.js" && importer?.endsWith("/src/kernels/current.ts") ? light : null,
    },
    {
      name: "the-worker-listens",
      transform: {
        filter: { id: /src\/explorer\/sandbox\/worker\.ts/ },
        handler: (code) => ({ code, map: null, moduleSideEffects: true }),
      },
    },
  ],
  build: {
    outDir: fileURLToPath(new URL("../../../dist/explorer/app", import.meta.url)),
    emptyOutDir: false,
    target: "es2022",
    copyPublicDir: false,
    lib: {
      entry: fileURLToPath(new URL("./worker.ts", import.meta.url)),
      formats: ["es"],
      fileName: () => "sandbox.js",
    },
    rolldownOptions: { output: { codeSplitting: false } },
  },
});
