/** @file How `<attention-view>` is built: one module without imports, to be served, or put into a page as it is. */
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const light = fileURLToPath(new URL("./light-kernels.ts", import.meta.url));

/** The trace room gets the reference's loops in place of WebAssembly. */
function lightKernels(): Plugin {
  return {
    name: "light-kernels",
    enforce: "pre",
    resolveId(source, importer) {
      return source === "../kernels/index.js" && importer?.includes("/src/trace/") ? light : null;
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  plugins: [
    lightKernels(),
    {
      name: "the-element-defines-itself",
      transform: {
        filter: { id: /src\/explorer\/embed\/attention-view\.ts/ },
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
      entry: fileURLToPath(new URL("./attention-view.ts", import.meta.url)),
      formats: ["es"],
      fileName: () => "attention-view.js",
    },
    rolldownOptions: { output: { codeSplitting: false } },
  },
});
